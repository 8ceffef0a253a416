//! What the status line of a mirror says.

use dm_core::table_text::{Args, Position, parse};
use serde::Serialize;

/// The condition of a mirror. As JSON its keys are those of the fields.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MirrorStatus {
    /// How many regions are in sync.
    pub in_sync: u64,
    /// How many there are.
    pub regions: u64,
    /// Its legs, in the order of the table.
    pub legs: Vec<LegStatus>,
}

/// The condition of a leg.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct LegStatus {
    /// The device, as a word of a table.
    pub device: String,
    /// `A`: it works; `D`: a write failed; `S`: it could not be made equal to the others; `R`: a read
    /// failed.
    pub state: char,
}

impl MirrorStatus {
    /// Reads what follows the word `mirror` in a status line; `None` if that is something else.
    pub fn parse(text: &str) -> Option<MirrorStatus> {
        let mut words = Args::new(text, Position::START).map(|word| word.raw());
        let count: usize = words.next()?.parse().ok()?;
        let devices: Vec<&str> = words.by_ref().take(count).collect();
        let (in_sync, regions) = words.next()?.split_once('/')?;
        let letters = words.nth(1)?;
        if devices.len() != count || letters.chars().count() != count {
            return None;
        }
        let leg = |(device, state): (&&str, char)| LegStatus { device: (*device).into(), state };
        Some(MirrorStatus {
            in_sync: in_sync.parse().ok()?,
            regions: regions.parse().ok()?,
            legs: devices.iter().zip(letters.chars()).map(leg).collect(),
        })
    }

    /// That of the mirror which begins at sector `start`, in the status of a device.
    pub(crate) fn find(status: &str, start: u64) -> Option<MirrorStatus> {
        let mut lines = parse(status.as_bytes()).flatten();
        let line = lines.find(|line| line.range().start().get() == start)?;
        (line.target() == "mirror").then(|| MirrorStatus::parse(line.args().rest()))?
    }

    /// Whether all legs hold the same.
    pub fn is_in_sync(&self) -> bool {
        self.in_sync == self.regions
    }

    /// Whether no leg has ever failed.
    pub fn is_healthy(&self) -> bool {
        self.legs.iter().all(|leg| leg.state == 'A')
    }
}

impl LegStatus {
    /// Whether it has taken every write; reads of it may have failed.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.state, 'A' | 'R')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legs(of: &[(&str, char)]) -> Vec<LegStatus> {
        of.iter().map(|&(device, state)| LegStatus { device: device.into(), state }).collect()
    }

    #[test]
    fn what_targets_print_is_understood() {
        let core = MirrorStatus::parse("2 /a\\ b 8:16 3/32 1 AD 1 core").unwrap();
        let expected = legs(&[("/a\\ b", 'A'), ("8:16", 'D')]);
        assert_eq!(core, MirrorStatus { in_sync: 3, regions: 32, legs: expected });
        assert!(!core.is_in_sync() && !core.is_healthy());
        let disk = MirrorStatus::parse("3 a b c 32/32 1 AAA 3 disk log A").unwrap();
        assert!(disk.is_in_sync() && disk.is_healthy());
    }

    #[test]
    fn what_is_no_status_of_a_mirror_is_none() {
        for text in ["", "2 a b", "2 a b 3 1 AA", "2 a b 3/x 1 AA", "2 a b 3/4 1 A", "x a 1/1 1 A"]
        {
            assert_eq!(MirrorStatus::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_line_of_a_status_is_found_by_its_first_sector() {
        let status = "0 8 linear\n8 16 mirror 2 a b 1/2 1 AA 1 core\n";
        assert_eq!(MirrorStatus::find(status, 8).map(|mirror| mirror.in_sync), Some(1));
        assert_eq!(MirrorStatus::find(status, 0), None);
        assert_eq!(MirrorStatus::find(status, 9), None);
    }
}
