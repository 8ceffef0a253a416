//! What the machine's driver may know about the disk: features and the configuration space.

use dm_core::table_text::SECTOR_SIZE;
use dm_core::{Limits, Mode, Open};
use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_MQ,
    VIRTIO_BLK_F_RO, VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_TOPOLOGY, VIRTIO_BLK_F_WRITE_ZEROES,
};

use crate::UserHost;

/// What a disk says of itself. The layout is that of the virtio specification, 5.2.4.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    pub(super) bytes: [u8; CONFIG_BYTES],
    /// Bits of the features that belong to the disk.
    pub(super) features: u64,
}

/// The configuration space, up to and with what is said of writing zeros.
pub(super) const CONFIG_BYTES: usize = 60;

/// How many pieces the data of a request may lie in: what a queue of 256 has descriptors for.
const SEGMENTS: u32 = 254;

impl Config {
    pub(super) fn of(open: &Open<UserHost>, queues: u16) -> Config {
        Config::new(open.size().get(), &open.limits(), open.mode(), queues)
    }

    fn new(sectors: u64, limits: &Limits, mode: Mode, queues: u16) -> Config {
        let logical = limits.logical_block.get().clamp(1, 1 << 20);
        let physical = limits.physical_block.get().clamp(logical, 1 << 20);
        let blocks = physical / logical;
        let longest = |longest: u64| u32::try_from(longest / logical * logical).unwrap_or(u32::MAX);
        let discard = longest(limits.max_discard.get());
        let zeroes = longest(limits.max_write_zeroes.get());
        let mut config = Config { bytes: [0; CONFIG_BYTES], features: 0 };
        config.put(0, &sectors.to_le_bytes());
        config.put(12, &SEGMENTS.to_le_bytes());
        config.put(20, &((logical * SECTOR_SIZE) as u32).to_le_bytes());
        config.put(24, &[blocks.ilog2() as u8, 0]);
        config.put(26, &(blocks.min(u16::MAX.into()) as u16).to_le_bytes());
        config.put(34, &queues.to_le_bytes());
        config.put(36, &discard.to_le_bytes());
        config.put(40, &1u32.to_le_bytes());
        config.put(44, &(logical as u32).to_le_bytes());
        config.put(48, &zeroes.to_le_bytes());
        config.put(52, &1u32.to_le_bytes());
        // Zeros may be holes.
        config.put(56, &[1]);
        config.features = bits(&[
            VIRTIO_BLK_F_SEG_MAX,
            VIRTIO_BLK_F_BLK_SIZE,
            VIRTIO_BLK_F_TOPOLOGY,
            VIRTIO_BLK_F_FLUSH,
            VIRTIO_BLK_F_MQ,
        ]);
        if mode == Mode::ReadOnly {
            config.features |= bits(&[VIRTIO_BLK_F_RO]);
        } else {
            let discards = if discard > 0 { bits(&[VIRTIO_BLK_F_DISCARD]) } else { 0 };
            let zeros = if zeroes > 0 { bits(&[VIRTIO_BLK_F_WRITE_ZEROES]) } else { 0 };
            config.features |= discards | zeros;
        }
        config
    }

    /// Part of the configuration space; less where it ends.
    pub(super) fn read(&self, offset: u32, length: u32) -> Vec<u8> {
        let bytes = self.bytes.iter().skip(offset as usize);
        bytes.take(length as usize).copied().collect()
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// The features of these numbers.
pub(super) fn bits(features: &[u32]) -> u64 {
    features.iter().fold(0, |bits, feature| bits | 1 << feature)
}

#[cfg(test)]
mod tests {
    use dm_core::Sectors;

    use super::*;

    fn number(config: &Config, at: u32, length: u32) -> u64 {
        let bytes = config.read(at, length);
        bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    #[test]
    fn limits_are_told_in_the_units_of_the_specification() {
        let limits = Limits {
            logical_block: Sectors::new(8),
            physical_block: Sectors::new(32),
            max_transfer: Sectors::new(1000),
            max_discard: Sectors::new(1 << 40),
            max_write_zeroes: Sectors::new(1003),
        };
        let config = Config::new(0x12_3456_7890, &limits, Mode::ReadWrite, 4);
        let expected = [
            ("capacity", 0, 8, 0x12_3456_7890),
            ("seg_max", 12, 4, 254),
            ("blk_size", 20, 4, 4096),
            ("physical_block_exp", 24, 1, 2),
            ("min_io_size", 26, 2, 4),
            ("num_queues", 34, 2, 4),
            ("max_discard_sectors", 36, 4, u64::from(u32::MAX)),
            ("max_discard_seg", 40, 4, 1),
            ("discard_sector_alignment", 44, 4, 8),
            ("max_write_zeroes_sectors", 48, 4, 1000),
            ("max_write_zeroes_seg", 52, 4, 1),
            ("write_zeroes_may_unmap", 56, 1, 1),
        ];
        for (name, at, length, value) in expected {
            assert_eq!(number(&config, at, length), value, "{name}");
        }
        assert_eq!(config.read(56, 100).len(), 4);
        assert!(config.read(u32::MAX, u32::MAX).is_empty());
    }

    #[test]
    fn what_a_disk_cannot_do_is_not_offered() {
        let none = Limits { max_discard: Sectors::ZERO, ..Limits::NONE };
        let discard = bits(&[VIRTIO_BLK_F_DISCARD]);
        let zeroes = bits(&[VIRTIO_BLK_F_WRITE_ZEROES]);
        let config = Config::new(8, &none, Mode::ReadWrite, 1);
        assert_eq!(config.features & (discard | zeroes), zeroes);
        let config = Config::new(8, &Limits::NONE, Mode::ReadOnly, 1);
        let read_only = bits(&[VIRTIO_BLK_F_RO]);
        assert_eq!(config.features & (discard | zeroes | read_only), read_only);
    }
}
