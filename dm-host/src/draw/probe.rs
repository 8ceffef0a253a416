//! Finding out where a line's sectors lie, by asking its target.

use dm_core::targets::{Map, Request, Target};
use dm_core::{Op, Sector, Sectors};

use super::{Extent, Kind, Piece};

/// What a target said.
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) pieces: Vec<Piece>,
    pub(super) extents: Vec<Extent>,
}

/// How many pieces of a line are remembered one by one.
const PIECES: usize = 256;

/// Asks `target`, whose line is `length` long, about `budget` times at most.
///
/// That is enough for an exact answer about most lines. Of one cut into more pieces the first, the
/// last, and some in between are asked for: what lies between two pieces of one row of pieces is
/// taken to belong to the line.
pub(super) fn probe(target: &dyn Target, length: Sectors, budget: usize) -> Found {
    let mut found = Found { kind: Kind::Stored, pieces: Vec::new(), extents: Vec::new() };
    let length = length.get();
    let (mut at, mut longest) = (0, 1);
    for _ in 0..budget.div_ceil(2) {
        if at >= length {
            break;
        }
        let sectors = found.ask(target, at, length, true);
        longest = longest.max(sectors);
        at += sectors;
    }
    if at < length {
        let quarter = (budget / 4).max(1) as u64;
        for n in 1..quarter {
            let part = u128::from(length - at) * u128::from(n) / u128::from(quarter);
            found.ask(target, at + part as u64, length, false);
        }
        let mut at = at.max(length.saturating_sub(longest.saturating_mul(quarter)));
        for _ in 0..=quarter {
            if at >= length {
                break;
            }
            at += found.ask(target, at, length, false);
        }
    }
    target.uses(&mut |device, range| {
        let (start, end) = (range.start().get(), range.end().get());
        found.extents.push(Extent { device: device.0 as usize, start, end });
    });
    found.extents.sort_by_key(|extent| (extent.device, extent.start));
    found
}

impl Found {
    /// Asks about the sectors from `at` on; returns for how many of them the answer holds.
    fn ask(&mut self, target: &dyn Target, at: u64, length: u64, in_order: bool) -> u64 {
        let request =
            Request { op: Op::Read, at: Sector::new(at), sectors: Sectors::new(length - at) };
        let (device, sectors) = match target.map(&request) {
            Map::To { device, sector, sectors } => {
                let sectors = sectors.get().clamp(1, length - at);
                let extent = Extent {
                    device: device.0 as usize,
                    start: sector.get(),
                    end: sector.get().saturating_add(sectors),
                };
                self.add(extent, in_order);
                (Some(extent.device), sectors)
            }
            // Where they lie, it tells of all its sectors at once.
            Map::Take { .. } => return length - at,
            Map::Zeros => {
                self.kind = Kind::Zeros;
                (None, length - at)
            }
            Map::Fail(_) => {
                self.kind = Kind::Failing;
                (None, length - at)
            }
        };
        if in_order && self.pieces.len() < PIECES {
            self.pieces.push(Piece { device, sectors });
        }
        sectors
    }

    /// Adds a piece to the extent before it. One found `in_order` must follow it without a gap.
    fn add(&mut self, new: Extent, in_order: bool) {
        let before = self
            .extents
            .iter_mut()
            .filter(|old| old.device == new.device && old.start <= new.start)
            .filter(|old| !in_order || old.end >= new.start)
            .max_by_key(|old| old.start);
        match before {
            Some(old) => old.end = old.end.max(new.end),
            None => self.extents.push(new),
        }
    }
}

#[cfg(test)]
mod tests;
