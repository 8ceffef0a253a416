//! Positions and lengths on a block device, in units of 512 bytes.

use core::fmt;

/// Bytes in a sector. A unit of account: devices may have larger blocks.
pub const SECTOR_SIZE: u64 = 512;
const SECTOR_SHIFT: u32 = 9;

/// A position on a block device, in 512-byte sectors from its start.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct Sector(u64);

/// A number of 512-byte sectors.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct Sectors(u64);

/// A run of at least one sector, none of them numbered past 2^64 - 2, so that its end is a sector too.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SectorRange {
    start: Sector,
    length: Sectors,
}

impl Sector {
    /// The first sector of a device.
    pub const ZERO: Sector = Sector(0);

    /// The sector with this number.
    pub const fn new(number: u64) -> Sector {
        Sector(number)
    }

    /// Its number, from 0.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sector `by` sectors on, or `None` past 64 bits.
    pub const fn checked_add(self, by: Sectors) -> Option<Sector> {
        match self.0.checked_add(by.0) {
            Some(sum) => Some(Sector(sum)),
            None => None,
        }
    }

    /// The sector `by` sectors on; the last one there is where that would be past 64 bits.
    pub const fn saturating_add(self, by: Sectors) -> Sector {
        Sector(self.0.saturating_add(by.0))
    }

    /// How far this sector lies behind `start`, or `None` where it lies before it.
    pub const fn distance_from(self, start: Sector) -> Option<Sectors> {
        match self.0.checked_sub(start.0) {
            Some(gap) => Some(Sectors(gap)),
            None => None,
        }
    }

    /// The byte at which this sector starts, or `None` past 64 bits.
    pub const fn byte_offset(self) -> Option<u64> {
        self.0.checked_mul(SECTOR_SIZE)
    }
}

impl Sectors {
    /// No sectors.
    pub const ZERO: Sectors = Sectors(0);

    /// That many sectors.
    pub const fn new(count: u64) -> Sectors {
        Sectors(count)
    }

    /// How many they are.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sectors that `bytes` fill entirely; a partial one at the end is left out.
    pub const fn from_bytes(bytes: u64) -> Sectors {
        Sectors(bytes >> SECTOR_SHIFT)
    }

    /// Their length in bytes, or `None` past 64 bits.
    pub const fn bytes(self) -> Option<u64> {
        self.0.checked_mul(SECTOR_SIZE)
    }

    /// Whether there are none.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Both together, or `None` past 64 bits.
    pub const fn checked_add(self, more: Sectors) -> Option<Sectors> {
        match self.0.checked_add(more.0) {
            Some(sum) => Some(Sectors(sum)),
            None => None,
        }
    }

    /// What is left without `fewer`; none where `fewer` are as many or more.
    pub const fn saturating_sub(self, fewer: Sectors) -> Sectors {
        Sectors(self.0.saturating_sub(fewer.0))
    }
}

impl SectorRange {
    /// `length` sectors from `start` on; `None` if there are none, or the end lies past 64 bits.
    pub const fn new(start: Sector, length: Sectors) -> Option<SectorRange> {
        if length.is_zero() || start.checked_add(length).is_none() {
            return None;
        }
        Some(SectorRange { start, length })
    }

    /// The first sector.
    pub const fn start(self) -> Sector {
        self.start
    }

    /// How many sectors there are, at least one.
    pub const fn length(self) -> Sectors {
        self.length
    }

    /// The sector after the last.
    pub const fn end(self) -> Sector {
        self.start.saturating_add(self.length)
    }

    /// Whether `sector` is one of them.
    pub const fn contains(self, sector: Sector) -> bool {
        sector.0 >= self.start.0 && sector.0 < self.end().0
    }
}

impl fmt::Display for Sector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Sectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
