//! What is written to a sector, so that it tells which write it was; and a sector that tells wrong.

/// A sector does not hold what it should.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("sector {sector} holds {found}, not {}", List(.allowed))]
pub struct Mismatch {
    /// Which, counted from the beginning of the mapped device.
    pub sector: u64,
    /// What it holds.
    pub found: Stamp,
    /// What it could hold.
    pub allowed: Vec<Stamp>,
}

/// What a sector holds, in words. Writes are numbered from 1 in the order they began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stamp {
    /// What a write wrote to a sector.
    Write {
        /// The number of the write.
        write: u64,
        /// The sector that this was written to.
        sector: u64,
    },
    /// What a sector of a disk held at the beginning of the run.
    Initial {
        /// The disk, by its place in the plan.
        disk: u64,
        /// The sector on it.
        sector: u64,
    },
    /// Zeros.
    Zeros,
    /// What disks here put where something was discarded.
    Discarded,
    /// What was in the memory of a read before it began.
    Unread,
    /// Different things in different places, which is nothing that was ever written.
    Mixed,
}

/// The bytes that the write of that number writes to `sector`.
pub(crate) fn stamp(write: u64, sector: u64) -> u64 {
    write << SECTOR_BITS | sector
}

const SECTOR_BITS: u32 = 24;

/// The bytes that a sector of a disk holds to begin with. Writes never have numbers as high as these.
pub(crate) fn initial(disk: usize, sector: u64) -> u64 {
    stamp(FIRST_INITIAL + disk as u64, sector)
}

const FIRST_INITIAL: u64 = 1 << 38;

impl Stamp {
    pub(super) fn of(value: Option<u64>) -> Stamp {
        match value {
            Some(0) => Stamp::Zeros,
            Some(0xdddd_dddd_dddd_dddd) => Stamp::Discarded,
            Some(0xaaaa_aaaa_aaaa_aaaa) => Stamp::Unread,
            Some(value) => {
                let (write, sector) = (value >> SECTOR_BITS, value & ((1 << SECTOR_BITS) - 1));
                match write.checked_sub(FIRST_INITIAL) {
                    Some(disk) => Stamp::Initial { disk, sector },
                    None => Stamp::Write { write, sector },
                }
            }
            None => Stamp::Mixed,
        }
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stamp::Write { write, sector } => write!(f, "write {write} of sector {sector}"),
            Stamp::Initial { disk, sector } => write!(f, "what disk {disk} had in sector {sector}"),
            Stamp::Zeros => f.write_str("zeros"),
            Stamp::Discarded => f.write_str("what is left of a discard"),
            Stamp::Unread => f.write_str("nothing that was read"),
            Stamp::Mixed => f.write_str("a mixture"),
        }
    }
}

struct List<'l>(&'l [Stamp]);

impl std::fmt::Display for List<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, stamp) in self.0.iter().enumerate() {
            write!(f, "{}{stamp}", if n == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}
