//! The legs of a mirror: which of them work, and which hold everything that was acknowledged.

use alloc::vec::Vec;

use dm_sync::Arc;
use dm_table::{Sector, Sectors};

use super::log::{MAX_LEGS, Stale};
use super::shared::{Letter, Shared};
use crate::{DeviceId, Extent};

/// Some of the legs, a bit each.
pub(super) type LegSet = u32;

/// The highest number of a leg, all ones.
const LEG_MASK: u8 = 31;
const _: () = assert!(MAX_LEGS == 32 && LegSet::BITS == 32);

/// A leg of a table line, and the number that stands for its words in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg {
    pub(super) extent: Extent,
    pub(super) id: u64,
}

pub(super) struct Legs {
    legs: Vec<Leg>,
    shared: Arc<Shared>,
    /// Those that nothing is sent to any more.
    dead: LegSet,
    /// Those that hold everything that was acknowledged; never none. Where legs may differ, they are
    /// the ones to believe.
    good: LegSet,
    /// Those that the log is to name as not to be copied from.
    named: LegSet,
    /// Reads that are on their way to each, and who is next where these are equal.
    reads: [u16; MAX_LEGS],
    turn: u8,
}

impl Legs {
    pub(super) fn new(legs: Vec<Leg>, shared: Arc<Shared>) -> Legs {
        let reads = [0; MAX_LEGS];
        Legs { legs, shared, dead: 0, good: 1, named: 0, reads, turn: 0 }
    }

    pub(super) fn all(&self) -> LegSet {
        set(self.legs.iter().map(|_| true))
    }

    pub(super) fn alive(&self) -> LegSet {
        self.all() & !self.dead
    }

    pub(super) fn any_dead(&self) -> bool {
        self.dead != 0
    }

    pub(super) fn good(&self) -> LegSet {
        self.good
    }

    /// The one that others are made equal to.
    pub(super) fn source(&self) -> u8 {
        first(self.good)
    }

    /// Where the sector `at` of the line lies on a leg.
    pub(super) fn place(&self, leg: u8, at: Sector) -> Option<(DeviceId, Sector)> {
        let Extent { device, start } = self.legs.get(usize::from(leg))?.extent;
        Some((device, start.saturating_add(Sectors::new(at.get()))))
    }

    /// Gives those that failed another chance. Whether legs are `equal` all over decides who is good.
    pub(super) fn revive(&mut self, equal: bool) {
        self.dead = 0;
        self.set_equal(equal);
        for leg in 0..self.legs.len() {
            self.shared.set_letter(leg, Letter::Alive);
        }
    }

    /// Those that the log names are not to be believed.
    pub(super) fn loaded(&mut self, stale: &Stale, equal: bool) {
        let is_stale = |leg: &Leg| stale.contains(&leg.id);
        self.named = set(self.legs.iter().map(is_stale));
        let others = self.all() & !self.named;
        self.good = lowest(if others == 0 { self.all() } else { others });
        self.set_equal(equal);
    }

    /// If legs are equal all over, each one that works holds everything.
    pub(super) fn set_equal(&mut self, equal: bool) {
        if equal {
            self.good |= self.alive();
        }
    }

    /// Notes that a leg failed, for those who look at the status.
    pub(super) fn blame(&self, legs: LegSet, letter: Letter) {
        for leg in members(legs) {
            self.shared.set_letter(leg.into(), letter);
        }
    }

    /// Goes on without some legs; not without the last good one, though. Returns whether a good one
    /// is left that was not among them.
    pub(super) fn bury(&mut self, legs: LegSet) -> bool {
        if self.good & !legs == 0 {
            self.dead |= legs & !self.good;
            return false;
        }
        self.dead |= legs;
        self.good &= !legs;
        true
    }

    /// The legs that a log must name before anything more may be acknowledged: whoever loads it
    /// later believes the first leg that it does not name.
    pub(super) fn to_name(&self) -> LegSet {
        lowest(self.good).wrapping_sub(1)
    }

    pub(super) fn named(&self) -> LegSet {
        self.named
    }

    /// Changes whom the log is to name; returns how it does.
    pub(super) fn name(&mut self, legs: LegSet) -> Stale {
        self.named = legs;
        let mut stale = Stale::new();
        for id in members(legs).filter_map(|leg| self.id(leg)) {
            // There is room for as many as a set can have.
            let _ = stale.push(id);
        }
        stale
    }

    /// Whether a log names all of `legs`.
    pub(super) fn are_named(&self, legs: LegSet, by: &Stale) -> bool {
        members(legs).filter_map(|leg| self.id(leg)).all(|id| by.contains(&id))
    }

    /// Picks the leg to read from, of `legs`: one that never failed, and has the least to read.
    pub(super) fn pick(&mut self, legs: LegSet) -> Option<u8> {
        let healthy = set((0..self.legs.len()).map(|leg| self.shared.letter(leg) == Letter::Alive));
        let legs = if legs & healthy != 0 { legs & healthy } else { legs };
        let turn = self.turn;
        let load = |leg: &u8| {
            let reads = self.reads.get(usize::from(*leg)).copied().unwrap_or(0);
            (reads, leg.wrapping_sub(turn) & LEG_MASK)
        };
        let leg = members(legs).min_by_key(load)?;
        self.turn = leg.wrapping_add(1);
        if let Some(reads) = self.reads.get_mut(usize::from(leg)) {
            *reads = reads.saturating_add(1);
        }
        Some(leg)
    }

    /// A read from a leg that was picked has ended.
    pub(super) fn read_done(&mut self, leg: u8) {
        if let Some(reads) = self.reads.get_mut(usize::from(leg)) {
            *reads = reads.saturating_sub(1);
        }
    }

    fn id(&self, leg: u8) -> Option<u64> {
        self.legs.get(usize::from(leg)).map(|leg| leg.id)
    }
}

/// The set of one leg.
pub(super) fn only(leg: u8) -> LegSet {
    1u32.checked_shl(leg.into()).unwrap_or(0)
}

/// One thing that is done on several legs at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fan {
    /// Legs that it is still to be sent to.
    to: LegSet,
    /// Legs where it is on its way.
    left: LegSet,
    failed: LegSet,
}

impl Fan {
    pub(super) fn new(to: LegSet) -> Fan {
        Fan { to, left: 0, failed: 0 }
    }

    /// The next leg to send it to, where it is on its way from then on.
    pub(super) fn send(&mut self) -> Option<u8> {
        let leg = take_first(&mut self.to)?;
        self.left |= only(leg);
        Some(leg)
    }

    /// Whether it was sent to all.
    pub(super) fn is_sent(&self) -> bool {
        self.to == 0
    }

    /// It has ended on a leg.
    pub(super) fn ended(&mut self, leg: u8, failed: bool) {
        self.left &= !only(leg);
        if failed {
            self.failed |= only(leg);
        }
    }

    /// Once it has ended on all: where it failed.
    pub(super) fn over(&self) -> Option<LegSet> {
        (self.to | self.left == 0).then_some(self.failed)
    }
}

/// Takes the first of some legs out.
fn take_first(legs: &mut LegSet) -> Option<u8> {
    let leg = first(*legs);
    let taken = *legs != 0;
    *legs &= !only(leg);
    taken.then_some(leg)
}

/// The first of some legs; a number that no leg has, if there are none.
pub(super) fn first(legs: LegSet) -> u8 {
    u8::try_from(legs.trailing_zeros()).unwrap_or(u8::MAX)
}

/// The set of the first of some legs.
pub(super) fn lowest(legs: LegSet) -> LegSet {
    legs & legs.wrapping_neg()
}

/// The legs in a set, in order.
pub(super) fn members(legs: LegSet) -> impl Iterator<Item = u8> {
    (0..=LEG_MASK).filter(move |leg| legs & only(*leg) != 0)
}

fn set(each: impl Iterator<Item = bool>) -> LegSet {
    (0u8..).zip(each).filter(|(_, is)| *is).fold(0, |all, (leg, _)| all | only(leg))
}

#[cfg(test)]
mod tests;
