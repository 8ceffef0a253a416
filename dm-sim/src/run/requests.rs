//! Requests to the device: how they begin, and what is made of how they end.

use dm_core::{BioFlags, BioOp, IoError, Op, Sector, Sectors, State};

use super::{MOST_DRAIN_STEPS, Run};
use crate::model::{Content, ModelWrite, ZEROS, stamp};
use crate::{Failure, SimBio, Ticket, Work};

/// A request under way.
pub(super) struct InFlight {
    pub(super) request: usize,
    work: Work,
    pub(super) ticket: Ticket,
    begun: Begun,
    /// When it began, or the device was resumed.
    since: u64,
}

/// What the model knows of a request under way.
enum Begun {
    Read(u64),
    Write(ModelWrite),
    Flush(u64),
}

impl Run<'_> {
    /// Whether the next request may start now.
    pub(super) fn may_start(&self) -> bool {
        let Some(work) = self.plan.requests.get(self.next_request) else {
            return false;
        };
        let room = self.in_flight.len() < self.plan.in_flight;
        room && (self.plan.races || !self.would_race(work))
    }

    fn would_race(&self, work: &Work) -> bool {
        let writes = matches!(work.op, BioOp::Data(op) if op.is_write());
        writes && self.model.is_busy(work.sector..work.sector + work.sectors)
    }

    pub(super) fn start_request(&mut self) {
        let request = self.next_request;
        self.next_request += 1;
        self.start_work(request, self.plan.requests[request]);
    }

    pub(super) fn start_work(&mut self, request: usize, work: Work) {
        let Some(open) = &self.open else {
            return;
        };
        let range = work.sector..work.sector + work.sectors;
        let mut data = Vec::new();
        let begun = match work.op {
            BioOp::Flush => {
                self.tally.flushes += 1;
                Begun::Flush(self.model.begin_flush())
            }
            BioOp::Data(Op::Read) => {
                self.tally.reads += 1;
                // Not zeros, so that a read that forgets some of them shows.
                data = vec![0xaa; work.sectors as usize * 512];
                Begun::Read(self.model.begin_read())
            }
            BioOp::Data(Op::Write) => {
                self.tally.writes += 1;
                let write = self.model.next_write();
                data.extend(range.clone().flat_map(|at| stamp(write, at).to_le_bytes().repeat(64)));
                let content = |write, at| Content::Value(stamp(write, at));
                Begun::Write(self.model.begin_write(range, content))
            }
            BioOp::Data(op) => {
                self.tally.discards += 1;
                let content = if op == Op::Discard { Content::Undefined } else { ZEROS };
                Begun::Write(self.model.begin_write(range, |_, _| content))
            }
        };
        self.trace.add(self.tally.steps, || format!("request {request} starts: {work}"));
        let flags = if work.fua { BioFlags::FUA } else { BioFlags::empty() };
        let (at, length) = (Sector::new(work.sector), Sectors::new(work.sectors));
        let (bio, ticket) = SimBio::new(work.op, flags, at, length, data);
        open.submit(bio);
        let since = self.tally.steps;
        self.in_flight.push(InFlight { request, work, ticket, begun, since });
    }

    pub(super) fn end_request(
        &mut self,
        flight: &InFlight,
        result: Result<(), IoError>,
    ) -> Result<(), Failure> {
        let InFlight { request, work, .. } = *flight;
        self.trace.add(self.tally.steps, || match result {
            Ok(()) => format!("request {request} is done"),
            Err(error) => format!("request {request} fails: {error}"),
        });
        match &flight.begun {
            Begun::Read(begun) => {
                let data = result.is_ok().then(|| flight.ticket.data());
                let ended = self.model.end_read(*begun, work.sector, data.as_deref());
                ended.map_err(|mismatch| Failure::Read { request, mismatch })?;
            }
            Begun::Write(write) => self.model.end_write(write, result.is_ok(), work.fua),
            Begun::Flush(begun) if result.is_ok() => self.model.end_flush(*begun),
            Begun::Flush(_) => {}
        }
        match result {
            Err(error) if self.plan.promises.hides_faults || !self.disturbed => {
                Err(Failure::Error { request, error })
            }
            Err(_) => {
                self.tally.failed += 1;
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    pub(super) fn look_for_lost(&mut self) -> Result<(), Failure> {
        let now = self.tally.steps;
        let late = |flight: &InFlight| now - flight.since > MOST_DRAIN_STEPS;
        let Some(request) = self.in_flight.first().filter(|first| late(first)).map(|f| f.request)
        else {
            return Ok(());
        };
        if self.change.is_none() && self.device().state() == State::Active {
            return Err(Failure::Lost { request });
        }
        // It may be held back. Its time begins anew.
        self.in_flight.iter_mut().for_each(|flight| flight.since = now);
        Ok(())
    }
}
