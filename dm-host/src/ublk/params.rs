//! What the block layer is told of a disk.

use dm_core::table_text::SECTOR_SIZE;
use dm_core::{Limits, Mode};

use super::abi::{FUA, PARAMS_BYTES, Params, READ_ONLY, TYPE_BASIC, TYPE_DISCARD, VOLATILE_CACHE};

/// The longest read or write, in sectors; longer ones are split by the block layer. Each request that
/// there may be has memory for so many.
pub(super) const MAX_SECTORS: u32 = 256;

/// The longest discard, and write of zeros: what the block layer counts in bytes, in 32 bits.
const MAX_LONG: u64 = (u32::MAX / SECTOR_SIZE as u32) as u64;

/// The longest logical block, in sectors: a page.
pub(super) const MAX_BLOCK: u64 = 8;

impl Params {
    /// Those of a disk of that size and these limits, of which the logical block is at most
    /// [`MAX_BLOCK`].
    pub(super) fn of(sectors: u64, limits: &Limits, mode: Mode) -> Params {
        let logical = limits.logical_block.get().clamp(1, MAX_BLOCK);
        let physical = limits.physical_block.get().clamp(logical, 1 << 11);
        let whole = |longest: u64| (longest / logical * logical) as u32;
        let shift = |sectors: u64| (sectors * SECTOR_SIZE).ilog2() as u8;
        let longest = limits.max_transfer.get().min(MAX_SECTORS.into());
        let mut params = Params {
            length: PARAMS_BYTES,
            types: TYPE_BASIC,
            attributes: VOLATILE_CACHE | FUA,
            logical_shift: shift(logical),
            physical_shift: shift(physical),
            io_opt_shift: shift(physical),
            io_min_shift: shift(physical),
            max_sectors: whole(longest).max(logical as u32),
            sectors: sectors / logical * logical,
            ..Params::default()
        };
        if mode == Mode::ReadOnly {
            params.attributes |= READ_ONLY;
            return params;
        }
        let discard = whole(limits.max_discard.get().min(MAX_LONG));
        let zeroes = whole(limits.max_write_zeroes.get().min(MAX_LONG));
        if discard > 0 || zeroes > 0 {
            params.types |= TYPE_DISCARD;
            params.discard_granularity = (logical * SECTOR_SIZE) as u32;
            params.max_discard_sectors = discard;
            params.max_write_zeroes_sectors = zeroes;
            params.max_discard_segments = 1;
        }
        params
    }
}

#[cfg(test)]
mod tests {
    use dm_core::Sectors;

    use super::*;

    const LIMITS: Limits = Limits {
        logical_block: Sectors::new(8),
        physical_block: Sectors::new(32),
        max_transfer: Sectors::new(1000),
        max_discard: Sectors::new(1 << 40),
        max_write_zeroes: Sectors::new(1003),
    };

    #[test]
    fn limits_are_told_in_the_units_of_the_header() {
        let expected = Params {
            length: 60,
            types: 3,
            attributes: VOLATILE_CACHE | FUA,
            logical_shift: 12,
            physical_shift: 14,
            io_opt_shift: 14,
            io_min_shift: 14,
            max_sectors: 256,
            chunk_sectors: 0,
            sectors: 1000,
            virt_boundary_mask: 0,
            discard_alignment: 0,
            discard_granularity: 4096,
            max_discard_sectors: 8_388_600,
            max_write_zeroes_sectors: 1000,
            max_discard_segments: 1,
            reserved: 0,
        };
        assert_eq!(Params::of(1003, &LIMITS, Mode::ReadWrite), expected);
    }

    #[test]
    fn what_a_disk_cannot_do_is_not_offered() {
        let params = Params::of(8, &LIMITS, Mode::ReadOnly);
        assert_eq!((params.types, params.attributes & READ_ONLY), (TYPE_BASIC, READ_ONLY));
        let none = Limits { max_discard: Sectors::ZERO, ..LIMITS };
        let params = Params::of(8, &none, Mode::ReadWrite);
        assert_eq!((params.max_discard_sectors, params.max_write_zeroes_sectors), (0, 1000));
        let short = Limits { max_transfer: Sectors::new(9), ..Limits::NONE };
        assert_eq!(Params::of(8, &short, Mode::ReadWrite).max_sectors, 9);
    }
}
