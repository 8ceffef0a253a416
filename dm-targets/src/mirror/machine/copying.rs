//! Making legs equal in the background.

use core::time::Duration;

use dm_table::{Sector, Sectors};

use super::super::bitmap::Found;
use super::super::legs::{Fan, LegSet, first, only};
use super::super::shared::{Letter, MAX_COPIES};
use super::requests::is_legs_fault;
use super::{CHUNK, LOG_BUFFER, MirrorMachine, Mode, Part, job};
use crate::{Action, BioOp, DeviceId, IoError, Job, JobData, Op, Time};

/// For how long after a request copies come one at a time, and are short.
const YIELD: Duration = Duration::from_millis(2);

/// The regions that are being copied, chunk by chunk.
#[derive(Default)]
pub(super) struct Copying {
    chunks: [Option<Chunk>; MAX_COPIES as usize],
    open: [Option<OpenRegion>; MAX_COPIES as usize],
    /// The place of the region that the next chunk is of.
    current: Option<usize>,
    /// Regions before it were looked at.
    cursor: u64,
    /// Whether a region has become equal since the cursor was at the beginning.
    gained: bool,
    /// Nothing more can be done until something changes.
    stalled: bool,
    /// The look for a region took a break.
    more: bool,
    /// When the limit allows for the next chunk.
    rate: Time,
    /// The same, while somebody waits for it.
    ready_at: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct OpenRegion {
    region: u64,
    /// Where the next chunk begins.
    next: u64,
    end: u64,
    chunks: u8,
    spoilt: bool,
}

#[derive(Clone, Copy, Debug)]
struct Chunk {
    /// The place of its region.
    open: usize,
    at: u64,
    sectors: u64,
    step: Step,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// For writes that came first.
    Wait,
    /// Being read, or to be read if there is no leg yet.
    Read { leg: Option<u8>, tried: LegSet },
    /// Being written.
    Write { fan: Fan, excused: bool },
}

impl Chunk {
    fn end(&self) -> u64 {
        self.at.saturating_add(self.sectors)
    }
}

impl Copying {
    /// Whether a write must wait for a chunk.
    pub(super) fn overlaps(&self, start: u64, end: u64) -> bool {
        self.chunks.iter().flatten().any(|chunk| chunk.at < end && start < chunk.end())
    }

    fn chunk(&self, n: u16) -> Option<Chunk> {
        *self.chunks.get(usize::from(n))?
    }

    fn set_chunk(&mut self, n: u16, chunk: Option<Chunk>) {
        if let Some(place) = self.chunks.get_mut(usize::from(n)) {
            *place = chunk;
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.chunks.iter().all(Option::is_none)
    }

    /// Something was not copied to a region, whatever comes of the rest.
    pub(super) fn spoil(&mut self, region: u64) {
        for open in self.open.iter_mut().flatten().filter(|open| open.region == region) {
            open.spoilt = true;
        }
    }

    pub(super) fn spoil_all(&mut self) {
        self.open.iter_mut().flatten().for_each(|open| open.spoilt = true);
    }

    /// There is something to copy again.
    pub(super) fn retry(&mut self) {
        self.stalled = false;
    }

    /// Begins from the beginning.
    pub(super) fn restart(&mut self) {
        if self.is_idle() {
            *self = Copying::default();
        }
        self.stalled = false;
    }

    pub(super) fn timeout(&self) -> Option<Time> {
        if self.more { Some(Time::default()) } else { self.ready_at }
    }
}

impl MirrorMachine {
    pub(super) fn poll_copies(&mut self, now: Time) -> Option<Action> {
        if let Some(action) = (0..MAX_COPIES.into()).find_map(|n| self.advance(n)) {
            return Some(action);
        }
        let mut numbers = 0..u16::from(MAX_COPIES);
        let free = numbers.find(|&n| self.copying.chunk(n).is_none())?;
        let chunk = self.next_chunk(now)?;
        self.copying.set_chunk(free, Some(chunk));
        self.advance(free)
    }

    /// The next step of a chunk, if it is its turn to do something.
    fn advance(&mut self, n: u16) -> Option<Action> {
        let mut chunk = self.copying.chunk(n)?;
        if chunk.step == Step::Wait && !self.is_written(chunk.at, chunk.end()) {
            chunk.step = Step::Read { leg: None, tried: 0 };
        }
        let (leg, op) = match chunk.step {
            Step::Read { leg: None, tried } => {
                let leg = first(self.legs.good() & !tried);
                chunk.step = Step::Read { leg: Some(leg), tried };
                (leg, Op::Read)
            }
            Step::Write { mut fan, excused } => {
                let leg = fan.send()?;
                chunk.step = Step::Write { fan, excused };
                (leg, Op::Write)
            }
            _ => return None,
        };
        self.copying.set_chunk(n, Some(chunk));
        let at = Sector::new(chunk.at);
        // A leg of the set is there.
        let (device, sector) = self.legs.place(leg, at).unwrap_or((DeviceId(u32::MAX), at));
        Some(Action::Start(Job {
            id: job(Part::Copy, leg, n),
            data: JobData::Buffer(LOG_BUFFER.wrapping_add(1).wrapping_add(n)),
            op: BioOp::Data(op),
            fua: false,
            device,
            sector,
            sectors: Sectors::new(chunk.sectors),
        }))
    }

    /// What is to be copied next, if it is time for it.
    fn next_chunk(&mut self, now: Time) -> Option<Chunk> {
        self.copying.more = false;
        self.copying.ready_at = None;
        if self.mode != Mode::Running || self.shared.is_paused() || self.copying.stalled {
            return None;
        }
        let busy = self.is_busy() || now.since(self.last_request) < YIELD;
        let allowed = if busy { 1 } else { self.shared.copies() };
        let at_work = self.copying.chunks.iter().flatten().count();
        if at_work >= usize::from(allowed) || self.legs.alive() & !only(self.legs.source()) == 0 {
            return None;
        }
        let place = match self.copying.current {
            Some(place) => place,
            None => self.open_region()?,
        };
        let limit = self.shared.limit();
        if limit > 0 && now < self.copying.rate {
            self.copying.ready_at = Some(self.copying.rate);
            self.copying.current = Some(place);
            return None;
        }
        let open = self.copying.open.get_mut(place)?.as_mut()?;
        let (at, left) = (open.next, open.end.saturating_sub(open.next));
        let sectors = left.min(if busy { self.short_chunk } else { CHUNK });
        open.next = at.saturating_add(sectors);
        open.chunks = open.chunks.saturating_add(1);
        self.copying.current = (open.next < open.end).then_some(place);
        if let Some(nanos) = sectors.saturating_mul(1_000_000_000).checked_div(limit) {
            let from = now.max(self.copying.rate);
            self.copying.rate = from.after(Duration::from_nanos(nanos));
        }
        Some(Chunk { open: place, at, sectors, step: Step::Wait })
    }

    /// Begins with the next region that is not equal; returns its place.
    fn open_region(&mut self) -> Option<usize> {
        let place = self.copying.open.iter().position(Option::is_none)?;
        match self.equal.find_zero(self.copying.cursor) {
            Found::Bit(region) => {
                self.copying.cursor = region.saturating_add(1);
                let start = region.saturating_mul(self.region);
                let end = start.saturating_add(self.region).min(self.length);
                let open = OpenRegion { region, next: start, end, chunks: 0, spoilt: false };
                *self.copying.open.get_mut(place)? = Some(open);
                Some(place)
            }
            Found::NotBefore(next) => {
                self.copying.cursor = next;
                self.copying.more = true;
                None
            }
            Found::Nothing => {
                if self.equal.all_ones() || self.copying.open.iter().any(Option::is_some) {
                    return None;
                }
                // Once more from the beginning, if there is any hope in it.
                self.copying.cursor = 0;
                self.copying.stalled = !core::mem::take(&mut self.copying.gained);
                self.copying.more = !self.copying.stalled;
                None
            }
        }
    }

    /// A part of a chunk was read or written.
    pub(super) fn copy_done(&mut self, n: u16, leg: u8, result: Result<(), IoError>, now: Time) {
        let Some(mut chunk) = self.copying.chunk(n) else {
            return;
        };
        let fault = result.err().map(is_legs_fault);
        match chunk.step {
            Step::Read { tried, .. } => {
                if fault == Some(true) {
                    self.legs.blame(only(leg), Letter::ReadFailed);
                    self.event = true;
                }
                let tried = tried | only(leg);
                let to = self.legs.alive() & !only(leg);
                chunk.step = match fault {
                    None if to == 0 => return self.end_chunk(n, &chunk, false, now),
                    None => Step::Write { fan: Fan::new(to), excused: false },
                    Some(true) if self.handle_errors && self.legs.good() & !tried != 0 => {
                        Step::Read { leg: None, tried }
                    }
                    Some(_) => return self.end_chunk(n, &chunk, true, now),
                };
            }
            Step::Write { mut fan, excused } => {
                fan.ended(leg, fault == Some(true));
                let excused = excused || fault == Some(false);
                if let Some(failed) = fan.over() {
                    let survived = self.lose(failed, Letter::SyncFailed);
                    return self.end_chunk(n, &chunk, !survived || excused, now);
                }
                chunk.step = Step::Write { fan, excused };
            }
            Step::Wait => return,
        }
        self.copying.set_chunk(n, Some(chunk));
    }

    fn end_chunk(&mut self, n: u16, chunk: &Chunk, failed: bool, now: Time) {
        self.copying.set_chunk(n, None);
        self.look_again = true;
        self.sweep.wrote(now);
        let Some(place) = self.copying.open.get_mut(chunk.open) else {
            return;
        };
        let Some(open) = place else {
            return;
        };
        open.chunks = open.chunks.saturating_sub(1);
        open.spoilt |= failed;
        if open.chunks > 0 || open.next < open.end {
            return;
        }
        let OpenRegion { region, spoilt, .. } = *open;
        *place = None;
        if !spoilt {
            self.region_copied(region);
        }
    }

    fn region_copied(&mut self, region: u64) {
        self.copying.gained = true;
        self.equal.set(region, true);
        // It was written just now: the log is not to call it clean before the next flush.
        self.touched.set(region, true);
        if !self.legs.any_dead() {
            self.in_sync.set(region, true);
            self.show_in_sync();
        }
        if self.equal.all_ones() {
            self.legs.set_equal(true);
            self.event = true;
        }
    }
}

#[cfg(test)]
mod tests;
