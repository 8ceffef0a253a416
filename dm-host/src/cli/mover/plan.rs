//! Which lines are moved where, and the tables on the way.

use dm_core::table_text::{Line, parse};
use serde::{Deserialize, Serialize};

use super::error::MoveError;
use super::identity::Identity;
use crate::MirrorStatus;

/// A line that is moved.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Piece {
    /// The number of the line, from 1.
    pub(super) line: usize,
    /// Its first sector.
    pub(super) start: u64,
    /// How many sectors it has.
    pub(super) length: u64,
    pub(super) from: Place,
    pub(super) to: Place,
}

/// Where a line lies.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Place {
    /// A word of a table.
    pub(super) device: String,
    /// The first sector there.
    pub(super) sector: u64,
}

/// The lines that are to be moved.
pub(super) enum Choice {
    All,
    /// From the first to the last, counted from 1.
    Lines(Vec<(usize, usize)>),
    From(Identity),
}

/// Smaller regions are marked more often than they are copied in one go; of larger ones there are
/// fewer to keep in mind.
const REGION: u64 = 1024;
const REGIONS: u64 = 1 << 24;

impl Choice {
    pub(super) fn parse(lines: &str) -> Result<Choice, MoveError> {
        let number = |text: &str| text.parse().ok().filter(|&line: &usize| line > 0);
        let range = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            Some((number(first)?, number(last)?)).filter(|(first, last)| first <= last)
        };
        let ranges = lines.split(',').map(range).collect::<Option<Vec<_>>>();
        ranges.map(Choice::Lines).ok_or_else(|| MoveError::Lines(lines.into()))
    }

    /// The lines of a table that are moved to `to`, one behind the other.
    pub(super) fn pieces(&self, table: &str, to: &Place) -> Result<Vec<Piece>, MoveError> {
        let lines: Vec<Line<'_>> = parse(table.as_bytes()).flatten().collect();
        if let Choice::Lines(ranges) = self
            && let Some(&(_, found)) = ranges.iter().find(|(_, last)| *last > lines.len())
        {
            return Err(MoveError::NoSuchLine { found, lines: lines.len() });
        }
        let mut pieces = Vec::new();
        let mut sector = to.sector;
        for (number, line) in (1..).zip(&lines) {
            let Some(from) = self.place(number, line)? else {
                continue;
            };
            let (start, length) = (line.range().start().get(), line.range().length().get());
            let to = Place { device: to.device.clone(), sector };
            let past = || MoveError::Destination("the sectors are past any device's end".into());
            sector = sector.checked_add(length).ok_or_else(past)?;
            pieces.push(Piece { line: number, start, length, from, to });
        }
        match (pieces.is_empty(), self) {
            (false, _) => Ok(pieces),
            (true, Choice::From(_)) => Err(MoveError::Nothing("lies on that device")),
            (true, _) => Err(MoveError::Nothing("is linear")),
        }
    }

    /// Where a line lies, if it is one of those that are moved.
    fn place(&self, number: usize, line: &Line<'_>) -> Result<Option<Place>, MoveError> {
        let words: Vec<_> = line.args().collect();
        let refused = || MoveError::NotLinear { line: number, target: line.target().raw().into() };
        let is_linear = line.target() == "linear";
        let is_chosen = match self {
            Choice::All => is_linear || !words.is_empty(),
            Choice::Lines(ranges) => ranges.iter().any(|&(a, b)| (a..=b).contains(&number)),
            Choice::From(device) => {
                words.iter().any(|word| Identity::of(&word.unescaped().to_string()) == *device)
            }
        };
        if !is_chosen {
            return Ok(None);
        }
        match words[..] {
            [device, sector] if is_linear => {
                let sector = sector.number("a sector").map_err(|_| refused())?;
                Ok(Some(Place { device: device.raw().into(), sector }))
            }
            _ => Err(refused()),
        }
    }
}

impl Piece {
    /// What the line is while it is moved.
    pub(super) fn mirror(&self) -> String {
        let region = REGION.max((self.length / REGIONS).next_power_of_two());
        format!("mirror core 1 {region} 2 {} {} 1 handle_errors", self.from, self.to)
    }

    /// The table with this line as a mirror.
    pub(super) fn during(&self, before: &str) -> String {
        self.put(before, &self.mirror())
    }

    /// The table with this line at its destination.
    pub(super) fn after(&self, before: &str) -> String {
        self.put(before, &format!("linear {}", self.to))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.length * 512
    }

    /// How many bytes of it are copied.
    pub(super) fn copied(&self, mirror: &MirrorStatus) -> u64 {
        let bytes = u128::from(self.bytes()) * u128::from(mirror.in_sync);
        (bytes / u128::from(mirror.regions.max(1))) as u64
    }

    fn put(&self, table: &str, target: &str) -> String {
        let mut text = String::new();
        for (number, line) in (1..).zip(table.lines()) {
            match number == self.line {
                true => text += &format!("{} {} {target}", self.start, self.length),
                false => text += line,
            }
            text.push('\n');
        }
        text
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.device, self.sector)
    }
}

#[cfg(test)]
mod tests;
