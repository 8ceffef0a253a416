//! Target types of a host's own: what they are held to, and what may be asked while they go.

use std::fmt;
use std::sync::{Arc, Mutex};

use dm_core::table_text::Args;
use dm_core::targets::{
    Action, CtrError, DeviceNames, Devices, Extent, JobId, Machine, Map, Request, Slot, Taken,
    Target,
};
use dm_core::{
    Change, IoError, MappedDevice, Mode, Registry, Sector, SectorRange, Sectors, TargetType, Time,
    try_box,
};
use dm_sim::{Sim, SimHost, load};

/// What a target answers, whatever the request: that of so many sectors.
#[derive(Clone, Copy, Debug)]
enum Answer {
    To(Sectors),
    Take(Sectors),
}

/// A change, and whether it was done each time that a target was asked as it went.
#[derive(Clone, Default)]
struct Watched {
    change: Arc<Mutex<Option<Change<SimHost>>>>,
    seen: Arc<Mutex<Vec<bool>>>,
}

/// `answers <device> <offset>`
struct Answers {
    answer: Answer,
    watched: Watched,
}

struct AnswersTarget {
    answer: Answer,
    extent: Extent,
    watched: Watched,
}

impl TargetType for Answers {
    fn name(&self) -> &'static str {
        "answers"
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
        let (answer, watched) = (self.answer, self.watched.clone());
        Ok(try_box(AnswersTarget { answer, extent, watched })?)
    }
}

impl Target for AnswersTarget {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn map(&self, request: &Request) -> Map {
        let sector = Sector::new(self.extent.start.get() + request.at.get());
        match self.answer {
            Answer::To(sectors) => Map::To { device: self.extent.device, sector, sectors },
            Answer::Take(sectors) => Map::Take { sectors },
        }
    }

    fn take_machine(&mut self) -> Option<Box<dyn Machine>> {
        Some(Box::new(Idle))
    }

    fn write_args(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        names.write_name(self.extent.device, out)?;
        write!(out, " {}", self.extent.start)
    }
}

impl Drop for AnswersTarget {
    fn drop(&mut self) {
        if let Some(change) = &*self.watched.change.lock().unwrap() {
            self.watched.seen.lock().unwrap().push(change.is_done());
        }
    }
}

/// A machine that nothing is to come to.
struct Idle;

impl Machine for Idle {
    fn capacity(&self) -> u16 {
        1
    }

    fn buffer(&self, _: u16) -> Option<Sectors> {
        None
    }

    fn resume(&mut self, _: Time) {}

    fn suspend(&mut self, _: Time) {}

    fn handle_request(&mut self, _: Slot, request: &Taken, _: Time) {
        panic!("took {request:?}");
    }

    fn handle_done(&mut self, job: JobId, _: Result<(), IoError>, _: Time) {
        panic!("{job:?} was done");
    }

    fn handle_time(&mut self, _: Time) {}

    fn poll(&mut self, _: Time) -> Option<Action> {
        None
    }

    fn timeout(&self) -> Option<Time> {
        None
    }

    fn is_quiet(&self) -> bool {
        true
    }
}

fn sim(answer: Answer) -> (Sim, Watched) {
    let (mut registry, watched) = (Registry::with_builtins().unwrap(), Watched::default());
    registry.register(Answers { answer, watched: watched.clone() }).unwrap();
    let sim = Sim::with(registry, Vec::new(), Time::default());
    sim.add_disk("a", 100);
    (sim, watched)
}

/// `late`: a type, and its targets, whose machine gets a request only after a device was suspended.
#[derive(Clone)]
struct Late {
    suspends: Arc<Mutex<Option<MappedDevice<SimHost>>>>,
}

impl TargetType for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn version(&self) -> [u16; 3] {
        [1, 0, 0]
    }

    fn usage(&self) -> &'static str {
        ""
    }

    fn construct<'t>(
        &self,
        args: Args<'t>,
        _: SectorRange,
        _: &mut dyn Devices,
    ) -> Result<Box<dyn Target>, CtrError<'t>> {
        args.finish()?;
        Ok(try_box(self.clone())?)
    }
}

impl Target for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn map(&self, request: &Request) -> Map {
        if let Some(device) = self.suspends.lock().unwrap().take() {
            let change = device.suspend().unwrap();
            assert!(!change.is_done(), "this request is still on its way");
        }
        Map::Take { sectors: request.sectors }
    }

    fn take_machine(&mut self) -> Option<Box<dyn Machine>> {
        Some(Box::new(Obliging::default()))
    }

    fn write_args(&self, _: &mut dyn fmt::Write, _: &dyn DeviceNames) -> fmt::Result {
        Ok(())
    }
}

/// A machine that completes what it is given, while it runs.
#[derive(Default)]
struct Obliging {
    is_running: bool,
    done: Option<Action>,
}

impl Machine for Obliging {
    fn capacity(&self) -> u16 {
        1
    }

    fn buffer(&self, _: u16) -> Option<Sectors> {
        None
    }

    fn resume(&mut self, _: Time) {
        assert!(!self.is_running);
        self.is_running = true;
    }

    fn suspend(&mut self, _: Time) {
        assert!(self.is_running);
        self.is_running = false;
    }

    fn handle_request(&mut self, slot: Slot, _: &Taken, _: Time) {
        self.done = Some(Action::Complete { slot, result: Ok(()) });
    }

    fn handle_done(&mut self, job: JobId, _: Result<(), IoError>, _: Time) {
        panic!("{job:?} was done");
    }

    fn handle_time(&mut self, _: Time) {}

    fn poll(&mut self, _: Time) -> Option<Action> {
        self.done.take()
    }

    fn timeout(&self) -> Option<Time> {
        None
    }

    fn is_quiet(&self) -> bool {
        self.done.is_none()
    }
}

/// It has entered before the device was suspended, and so the suspension waits for it; but the machine
/// that it is for has nothing to do, and comes to its end.
#[test]
fn a_request_that_a_machine_gets_after_its_end_is_carried_out() {
    let (mut registry, suspends) = (Registry::with_builtins().unwrap(), Arc::default());
    registry.register(Late { suspends: Arc::clone(&suspends) }).unwrap();
    let sim = Sim::with(registry, Vec::new(), Time::default());
    let device = load(&sim, "foo", "0 64 late");
    let open = device.open().unwrap();
    for _ in 0..3 {
        *suspends.lock().unwrap() = Some(device.clone());
        let late = sim.read(&open, 0, 8);
        assert_eq!(late.result(), Some(Ok(())));
        assert!(device.suspend().unwrap().is_done());
        let held = sim.read(&open, 0, 8);
        assert!(!held.is_done());
        assert!(device.resume().unwrap().is_done());
        assert_eq!(held.result(), Some(Ok(())));
    }
}

/// A target promises to say where the first sector goes, at least.
#[test]
fn a_request_of_which_a_target_maps_nothing_fails() {
    for answer in [Answer::To(Sectors::ZERO), Answer::Take(Sectors::ZERO)] {
        let (sim, _) = sim(answer);
        let open = load(&sim, "foo", "0 10 answers a 0").open().unwrap();
        let ticket = sim.read(&open, 3, 4);
        sim.complete_all();
        assert_eq!(ticket.result(), Some(Err(IoError::Failed)), "{answer:?}");
    }
}

#[test]
fn a_change_is_done_when_what_it_replaced_has_gone() {
    let (sim, watched) = sim(Answer::To(Sectors::new(100)));
    let device = load(&sim, "foo", "0 10 answers a 0");
    let ticket = sim.read(&device.open().unwrap(), 3, 4);
    sim.mapper().load(&device, b"0 10 zero", Mode::ReadWrite, &mut |why| panic!("{why}")).unwrap();
    let change = device.resume().unwrap();
    assert!(!change.is_done());
    *watched.change.lock().unwrap() = Some(change);
    sim.complete_all();
    assert_eq!(ticket.result(), Some(Ok(())));
    assert_eq!(*watched.seen.lock().unwrap(), [false], "asked as the target went");
    assert!(watched.change.lock().unwrap().as_ref().unwrap().is_done());
}
