//! Sizes for people.

use std::fmt;

use dm_core::Sectors;

/// A number of sectors, shown in bytes: `16 MiB`, `1.5 GiB`.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub Sectors);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let bytes = u128::from(self.0.get()) * 512;
        let mut unit = 0;
        while unit + 1 < UNITS.len() && bytes >> (10 * (unit + 1)) > 0 {
            unit += 1;
        }
        let tenths = bytes * 10 / (1 << (10 * unit));
        match tenths % 10 {
            0 => write!(f, "{} {}", tenths / 10, UNITS[unit]),
            rest => write!(f, "{}.{rest} {}", tenths / 10, UNITS[unit]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (sectors, shown) in [
            (0, "0 B"),
            (1, "512 B"),
            (2, "1 KiB"),
            (3, "1.5 KiB"),
            (32_768, "16 MiB"),
            (u64::MAX, "8191.9 EiB"),
        ] {
            assert_eq!(Size(Sectors::new(sectors)).to_string(), shown);
        }
    }
}
