//! A target type for the test: its machine relays requests, and a message is answered with itself.

use std::collections::VecDeque;
use std::fmt;

use dm_core::table_text::Args;
use dm_core::targets::{
    Action, CtrError, DeviceNames, Devices, Extent, Job, JobData, JobId, Machine, Map,
    MessageError, Request, Slot, Taken, Target,
};
use dm_core::{IoError, Sector, SectorRange, Sectors, TargetType, Time, try_box};

use crate::allocator::excluded;

/// `relay <device> <offset>`
pub(crate) struct Relay;

struct RelayTarget {
    extent: Extent,
    machine: Option<Box<RelayMachine>>,
}

struct RelayMachine {
    extent: Extent,
    todo: VecDeque<Action>,
    in_hand: usize,
}

impl TargetType for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn version(&self) -> [u16; 3] {
        [1, 0, 0]
    }

    fn usage(&self) -> &'static str {
        "<device> <offset>"
    }

    fn construct<'t>(
        &self,
        mut args: Args<'t>,
        at: SectorRange,
        devices: &mut dyn Devices,
    ) -> Result<Box<dyn Target>, CtrError<'t>> {
        let extent = Extent::parse(&mut args, at.length(), devices)?;
        args.finish()?;
        let machine = RelayMachine { extent, todo: VecDeque::new(), in_hand: 0 };
        Ok(try_box(RelayTarget { extent, machine: Some(try_box(machine)?) })?)
    }
}

impl Target for RelayTarget {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn map(&self, request: &Request) -> Map {
        Map::Take { sectors: request.sectors }
    }

    fn take_machine(&mut self) -> Option<Box<dyn Machine>> {
        Some(self.machine.take()?)
    }

    fn write_args(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        names.write_name(self.extent.device, out)?;
        write!(out, " {}", self.extent.start)
    }

    fn message(&self, words: Args<'_>, answer: &mut dyn fmt::Write) -> Result<(), MessageError> {
        for word in words {
            write!(answer, "{}!", word.unescaped()).map_err(|_| MessageError::OutOfMemory)?;
        }
        Ok(())
    }
}

impl Machine for RelayMachine {
    fn capacity(&self) -> u16 {
        2
    }

    fn buffer(&self, n: u16) -> Option<Sectors> {
        (n < 2).then_some(Sectors::new(8))
    }

    fn resume(&mut self, _now: Time) {}

    fn suspend(&mut self, _now: Time) {}

    fn handle_request(&mut self, slot: Slot, request: &Taken, _now: Time) {
        self.in_hand += 1;
        let sector = self.extent.start.get() + request.at.get();
        let job = Job {
            id: JobId(slot.into()),
            data: JobData::Request(slot),
            op: request.op,
            fua: request.fua,
            device: self.extent.device,
            sector: Sector::new(sector),
            sectors: request.sectors,
        };
        excluded(|| self.todo.push_back(Action::Start(job)));
    }

    fn handle_done(&mut self, job: JobId, result: Result<(), IoError>, _now: Time) {
        self.in_hand -= 1;
        excluded(|| self.todo.push_back(Action::Complete { slot: job.0 as Slot, result }));
    }

    fn handle_time(&mut self, _now: Time) {}

    fn poll(&mut self, _now: Time) -> Option<Action> {
        self.todo.pop_front()
    }

    fn timeout(&self) -> Option<Time> {
        None
    }

    fn is_quiet(&self) -> bool {
        self.in_hand == 0 && self.todo.is_empty()
    }
}
