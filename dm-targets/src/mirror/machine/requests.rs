//! Requests to a mirror: where they go, what they wait for, and how they end.

use dm_table::Sector;

use super::super::legs::{Fan, LegSet, lowest, only};
use super::super::shared::Letter;
use super::{MirrorMachine, Mode, Part, REQUESTS, job};
use crate::{Action, BioOp, DeviceId, IoError, Job, JobData, Op, Slot, Taken, Time};

/// A request in hand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Request {
    taken: Option<Taken>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    /// The slot is free.
    #[default]
    Free,
    /// For the log to be read, for a mark, for a copy, or for another write.
    Waiting,
    /// Being read from a leg, after `tried` had failed; not `sent` until the next poll.
    Reading { leg: u8, tried: LegSet, sent: bool },
    /// Being written to, or flushed on, legs.
    Writing { fan: Fan, excuse: Option<IoError> },
    /// Written, but the log does not name yet who is not to be believed.
    Held,
    /// Over, once the host was told.
    Ended(Result<(), IoError>),
}

/// Whether an error says something about the leg, and not about the request.
pub(super) fn is_legs_fault(error: IoError) -> bool {
    !matches!(error, IoError::NotSupported | IoError::OutOfMemory)
}

impl Request {
    /// The sectors that it changes at the moment.
    fn writes(&self) -> Option<(u64, u64)> {
        let taken = self.taken?;
        let (at, length) = (taken.at.get(), taken.sectors.get());
        let on_its_way = matches!(self.state, State::Writing { .. });
        (on_its_way && taken.op != BioOp::Flush).then(|| (at, at.saturating_add(length)))
    }
}

impl MirrorMachine {
    pub(super) fn take(&mut self, slot: Slot, taken: &Taken, now: Time) {
        self.put(slot, Some(*taken), State::Waiting);
        if !self.dispatch(slot, now) {
            self.waiting.push(slot);
        }
    }

    /// Lets those go on that need no longer wait.
    pub(super) fn dispatch_waiting(&mut self, now: Time) {
        for _ in 0..self.waiting.len() {
            if let Some(slot) = self.waiting.pop()
                && !self.dispatch(slot, now)
            {
                self.waiting.push(slot);
            }
        }
    }

    /// Whether a write on its way overlaps these sectors.
    pub(super) fn is_written(&self, start: u64, end: u64) -> bool {
        let overlaps = |(s, e): (u64, u64)| s < end && start < e;
        self.requests.iter().filter_map(Request::writes).any(overlaps)
    }

    /// Whether anything is being read or written for somebody.
    pub(super) fn is_busy(&self) -> bool {
        self.requests
            .iter()
            .any(|request| matches!(request.state, State::Reading { .. } | State::Writing { .. }))
    }

    pub(super) fn requests_in_hand(&self) -> bool {
        self.requests.iter().any(|request| request.state != State::Free)
    }

    /// Regions that are being written count as touched.
    pub(super) fn touch_written(&mut self) {
        for request in &self.requests {
            if let Some((start, _)) = request.writes() {
                self.touched.set(start.checked_div(self.region).unwrap_or(0), true);
            }
        }
    }

    fn put(&mut self, slot: Slot, taken: Option<Taken>, state: State) {
        if let Some(request) = self.requests.get_mut(usize::from(slot)) {
            *request = Request { taken, state };
        }
    }

    fn set(&mut self, slot: Slot, state: State) {
        if let Some(request) = self.requests.get_mut(usize::from(slot)) {
            request.state = state;
        }
    }

    /// Starts a request; returns whether it need not wait.
    fn dispatch(&mut self, slot: Slot, now: Time) -> bool {
        let Some(taken) = self.requests.get(usize::from(slot)).and_then(|request| request.taken)
        else {
            return true;
        };
        let state = match self.mode {
            Mode::Stopped | Mode::Loading => return false,
            Mode::Blind => State::Ended(Err(IoError::Failed)),
            Mode::Running | Mode::Stopping => match taken.op {
                BioOp::Flush => self.to_all(),
                BioOp::Data(Op::Read) => self.read_from(taken.at.get(), 0),
                BioOp::Data(_) => match self.write(&taken, now) {
                    Some(state) => state,
                    None => return false,
                },
            },
        };
        self.set(slot, state);
        self.ready.push(slot);
        true
    }

    fn to_all(&self) -> State {
        State::Writing { fan: Fan::new(self.legs.alive()), excuse: None }
    }

    /// Reads from a leg that holds what was written last, if one is left that was not tried.
    fn read_from(&mut self, at: u64, tried: LegSet) -> State {
        let legs = match self.equal.get(self.region_of(at)) {
            true => self.legs.alive() & !tried,
            false => lowest(self.legs.good() & !tried),
        };
        match self.legs.pick(legs) {
            Some(leg) => State::Reading { leg, tried, sent: false },
            None => State::Ended(Err(IoError::Failed)),
        }
    }

    /// Writes to all legs; `None` if it has to wait.
    fn write(&mut self, taken: &Taken, now: Time) -> Option<State> {
        let (start, region) = (taken.at.get(), self.region_of(taken.at.get()));
        let end = start.saturating_add(taken.sectors.get());
        if self.copying.overlaps(start, end) || self.is_written(start, end) {
            return None;
        }
        if let Some(log) = &mut self.log
            && !log.mark(region)
        {
            return log.has_failed().then_some(State::Ended(Err(IoError::Failed)));
        }
        self.touched.set(region, true);
        self.sweep.wrote(now);
        if self.legs.any_dead() {
            self.set_missed(region);
        }
        Some(self.to_all())
    }

    pub(super) fn poll_requests(&mut self) -> Option<Action> {
        while let Some(slot) = self.ready.first() {
            let Some(Request { taken: Some(taken), state }) =
                self.requests.get(usize::from(slot)).copied()
            else {
                self.ready.pop();
                continue;
            };
            match state {
                State::Reading { leg, tried, sent: false } => {
                    self.ready.pop();
                    self.set(slot, State::Reading { leg, tried, sent: true });
                    return Some(Action::Start(self.job(slot, leg, &taken)));
                }
                State::Writing { mut fan, excuse } => {
                    let leg = fan.send();
                    if fan.is_sent() {
                        self.ready.pop();
                    }
                    if let Some(leg) = leg {
                        self.set(slot, State::Writing { fan, excuse });
                        return Some(Action::Start(self.job(slot, leg, &taken)));
                    }
                }
                State::Ended(result) => {
                    self.ready.pop();
                    self.put(slot, None, State::Free);
                    return Some(Action::Complete { slot, result });
                }
                _ => {
                    self.ready.pop();
                }
            }
        }
        None
    }

    fn job(&self, slot: Slot, leg: u8, taken: &Taken) -> Job {
        // A leg of the set is there.
        let place = self.legs.place(leg, taken.at);
        let (device, sector) = place.unwrap_or((DeviceId(u32::MAX), taken.at));
        let sector = if taken.op == BioOp::Flush { Sector::ZERO } else { sector };
        let (id, data) = (job(Part::Request, leg, slot), JobData::Request(slot));
        let Taken { op, fua, sectors, .. } = *taken;
        Job { id, data, op, fua, device, sector, sectors }
    }

    /// A leg has read, written or flushed.
    pub(super) fn request_done(
        &mut self,
        slot: Slot,
        leg: u8,
        result: Result<(), IoError>,
        now: Time,
    ) {
        let Some(Request { taken: Some(taken), state }) =
            self.requests.get(usize::from(slot)).copied()
        else {
            return;
        };
        match state {
            State::Reading { leg, tried, .. } => {
                self.legs.read_done(leg);
                let state = self.read_done(&taken, leg, tried, result);
                self.set(slot, state);
                self.ready.push(slot);
            }
            State::Writing { mut fan, excuse } => {
                let fault = result.err().map(is_legs_fault);
                fan.ended(leg, fault == Some(true));
                let excuse = if fault == Some(false) { result.err() } else { excuse };
                self.set(slot, State::Writing { fan, excuse });
                if let Some(failed) = fan.over() {
                    let result = self.written(&taken, failed, excuse);
                    self.end(slot, result);
                    self.look_again = true;
                    if taken.op != BioOp::Flush {
                        self.sweep.wrote(now);
                    }
                }
            }
            _ => {}
        }
    }

    fn read_done(
        &mut self,
        taken: &Taken,
        leg: u8,
        tried: LegSet,
        result: Result<(), IoError>,
    ) -> State {
        match result {
            Err(error) if is_legs_fault(error) => {
                self.legs.blame(only(leg), Letter::ReadFailed);
                self.event = true;
                match self.handle_errors {
                    true => self.read_from(taken.at.get(), tried | only(leg)),
                    false => State::Ended(Err(error)),
                }
            }
            ended => State::Ended(ended),
        }
    }

    /// All legs have written or flushed, or failed to.
    fn written(
        &mut self,
        taken: &Taken,
        failed: LegSet,
        excuse: Option<IoError>,
    ) -> Result<(), IoError> {
        if failed == 0 && excuse.is_none() {
            return Ok(());
        }
        let region = (taken.op != BioOp::Flush).then(|| self.region_of(taken.at.get()));
        let survived = self.lose(failed, Letter::Dead);
        if region.is_none() && failed != 0 {
            self.forget_unflushed();
        }
        if let (true, None) = (survived, excuse) {
            if let Some(region) = region {
                self.set_missed(region);
            }
            return Ok(());
        }
        if let Some(region) = region {
            self.set_unequal(region);
            self.copying.retry();
        }
        Err(excuse.unwrap_or(IoError::Failed))
    }

    /// Legs have failed. Returns whether it is well to go on without them.
    pub(super) fn lose(&mut self, failed: LegSet, how: Letter) -> bool {
        if failed == 0 {
            return true;
        }
        self.legs.blame(failed, how);
        self.event = true;
        let alive = self.legs.alive();
        let survived = self.handle_errors && self.legs.bury(failed);
        if self.legs.alive() != alive {
            self.forget_marked();
        }
        survived
    }

    /// A leg works no longer. What it was not made to flush it may lose, and nobody will ask it to:
    /// regions that the log has marks for are not to be called clean.
    fn forget_marked(&mut self) {
        if let Some(log) = &self.log {
            self.in_sync.map_words(|n, word| word & log.regions().word(n));
            self.show_in_sync();
        }
    }

    /// A leg did not flush: what it has of regions that are not clean is not known.
    pub(super) fn forget_unflushed(&mut self) {
        let log = self.log.as_ref();
        self.in_sync.map_words(|n, word| word & log.map_or(0, |log| log.regions().word(n)));
        if !self.handle_errors {
            let in_sync = &self.in_sync;
            self.equal.map_words(|n, word| word & in_sync.word(n));
            self.copying.spoil_all();
            self.copying.retry();
        }
        self.show_in_sync();
    }

    /// Ends a write, unless the log must name a leg before.
    fn end(&mut self, slot: Slot, result: Result<(), IoError>) {
        let state = match result {
            Ok(()) => match self.may_acknowledge() {
                Some(true) => State::Ended(Ok(())),
                Some(false) => State::Ended(Err(IoError::Failed)),
                None => State::Held,
            },
            Err(_) => State::Ended(result),
        };
        self.set(slot, state);
        if state != State::Held {
            self.ready.push(slot);
        }
    }

    /// The log was written, or failed.
    pub(super) fn release_held(&mut self) {
        for slot in 0..REQUESTS {
            let state = self.requests.get(usize::from(slot)).map(|request| request.state);
            if state == Some(State::Held) {
                self.end(slot, Ok(()));
            }
        }
    }

    /// Whether a crash would leave what was written on a leg that is believed afterwards; `None` if
    /// the log is being told of it.
    fn may_acknowledge(&mut self) -> Option<bool> {
        let (log, wanted) = match &mut self.log {
            Some(log) => (log, self.legs.to_name()),
            None => return Some(true),
        };
        if self.legs.are_named(wanted, log.stale_on_disk()) {
            return Some(true);
        }
        if log.has_failed() {
            return Some(false);
        }
        let named = self.legs.named() | wanted;
        log.set_stale(self.legs.name(named));
        None
    }
}

#[cfg(test)]
mod tests;
