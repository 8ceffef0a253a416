//! Sectors as numbers of fewer bits, where lines are aligned.
//!
//! Lines of a volume end at multiples of its extents, of 4 MiB by default, and nearly all others at
//! multiples of 4 KiB. So the last sectors of all lines agree in some low bits, which are all ones;
//! comparing without them gives the same answers. With extents of 4 MiB 32 bits reach 2^45 sectors.

/// How the sectors of one table are made shorter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// The last sector of the table.
    last: u64,
    /// How many low bits are left out; they are ones in each key.
    shift: u32,
}

impl Scale {
    /// What makes keys of `bits` bits of `ends`. `None` where too few of their low bits are ones.
    pub(crate) fn to_bits(bits: u32, ends: &[u64]) -> Option<Scale> {
        let last = *ends.last()?;
        let needed = 64_u32.saturating_sub(bits).saturating_sub(last.leading_zeros());
        let common = ends.iter().fold(u64::MAX, |common, end| common & end).trailing_ones();
        (needed <= common).then_some(Scale { last, shift: needed })
    }

    /// `sector`, shorter; `None` past the last sector of the table.
    #[inline(always)]
    pub(crate) fn key(&self, sector: u64) -> Option<u64> {
        (sector <= self.last).then_some(sector.wrapping_shr(self.shift))
    }

    /// The sector that a line ends with, of its key.
    #[inline]
    pub(crate) fn end(&self, key: impl Into<u64>) -> u64 {
        key.into().wrapping_add(1).wrapping_shl(self.shift).wrapping_sub(1)
    }
}
