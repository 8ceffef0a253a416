//! A host that runs out of memory where the core's terms let it, and nowhere else.
//!
//! Its own allocations are excluded. Wherever it may answer that there is no memory, it asks for a
//! byte first, which the test can refuse it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use dm_core::{
    Bio, BioFlags, BioOp, Device, Ended, Host, IoError, Limits, Minor, Mode, Op, OpenError,
    OutOfMemory, Pass, Queue, Sector, Sectors, Time,
};
use parking_lot::Mutex;

use crate::allocator::excluded;

/// Disks of any name without data, each of 1000 sectors; requests wait until [`Disks::complete`].
#[derive(Clone, Default)]
pub(crate) struct Disks {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    pending: Vec<(String, Request)>,
}

/// Asks for a byte, and gives it back.
fn ask() -> Result<(), OutOfMemory> {
    Vec::<u8>::new().try_reserve_exact(1).map_err(OutOfMemory::from)
}

impl Disks {
    /// Lets every request that waits, and those that come of it, succeed; says where they went.
    pub(crate) fn complete(&self) -> Vec<(String, u64, u64)> {
        let mut went = Vec::new();
        loop {
            let pending = std::mem::take(&mut self.state.lock().pending);
            if pending.is_empty() {
                return went;
            }
            for (disk, request) in pending {
                excluded(|| went.push((disk, request.sector.get(), request.sectors.get())));
                request.complete(Ok(()));
            }
        }
    }
}

impl Host for Disks {
    type Device = Disk;
    type Bio = Request;
    type Queue = Requests;
    type Lock = parking_lot::RawMutex;
    const COMPLETIONS_SUBMIT: bool = true;

    fn open(&self, name: &str, _mode: Mode) -> Result<Disk, OpenError> {
        ask()?;
        Ok(excluded(|| Disk(name.into())))
    }

    fn submit(&self, mut bio: Request) {
        let disk = bio.disk.take().expect("a bio is aimed before it is submitted");
        excluded(|| self.state.lock().pending.push((disk, bio)));
    }

    fn notify(&self, _minor: Minor) {}

    fn now(&self) -> Time {
        Time::default()
    }

    fn wake(&self, _minor: Minor, _at: Time) {}

    fn buffer(&self, sectors: Sectors) -> Result<Request, OutOfMemory> {
        ask()?;
        Ok(excluded(|| Request::new(BioOp::Flush, Sector::ZERO, sectors).0))
    }
}

pub(crate) struct Disk(String);

impl Device for Disk {
    fn size(&self) -> Sectors {
        Sectors::new(1000)
    }

    fn limits(&self) -> Limits {
        Limits::NONE
    }

    fn is_same(&self, other: &Disk) -> bool {
        self.0 == other.0
    }

    fn write_name(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A request without data, or a part of one.
pub(crate) struct Request {
    op: BioOp,
    sector: Sector,
    sectors: Sectors,
    disk: Option<String>,
    passes: Vec<Pass>,
    ended: Option<Ended<Disks>>,
    whole: Outcome,
    completed: bool,
}

/// What became of a request.
pub(crate) type Outcome = Arc<Mutex<Result<(), IoError>>>;

impl Request {
    pub(crate) fn new(op: BioOp, sector: Sector, sectors: Sectors) -> (Request, Outcome) {
        let whole = Outcome::new(Mutex::new(Ok(())));
        let (outcome, passes) = (whole.clone(), Vec::new());
        let (disk, ended, completed) = (None, None, false);
        (Request { op, sector, sectors, disk, passes, ended, whole, completed }, outcome)
    }

    fn part(&self, sectors: Sectors) -> Request {
        let passes = self.passes.clone();
        let (whole, disk) = (self.whole.clone(), self.disk.clone());
        Request { sectors, disk, passes, ended: None, whole, completed: false, ..*self }
    }

    fn end(&mut self, result: Result<(), IoError>) {
        self.completed = true;
        if result.is_err() {
            *self.whole.lock() = result;
        }
        if let Some(ended) = self.ended.take() {
            ended.tell(result);
        }
        excluded(|| self.passes = Vec::new());
    }
}

impl Bio for Request {
    type Host = Disks;

    fn op(&self) -> BioOp {
        self.op
    }

    fn flags(&self) -> BioFlags {
        BioFlags::empty()
    }

    fn sector(&self) -> Sector {
        self.sector
    }

    fn sectors(&self) -> Sectors {
        self.sectors
    }

    fn split(&mut self, front: Sectors) -> Result<Request, OutOfMemory> {
        ask()?;
        let part = excluded(|| self.part(front));
        self.sector = self.sector.saturating_add(front);
        self.sectors = self.sectors.saturating_sub(front);
        Ok(part)
    }

    fn duplicate(&self) -> Result<Request, OutOfMemory> {
        ask()?;
        Ok(excluded(|| self.part(self.sectors)))
    }

    fn child(
        &self,
        op: BioOp,
        _flags: BioFlags,
        sectors: Sectors,
        ended: Ended<Disks>,
    ) -> Result<Request, Ended<Disks>> {
        if ask().is_err() {
            return Err(ended);
        }
        let mut child = excluded(|| Request::new(op, Sector::ZERO, sectors).0);
        child.ended = Some(ended);
        Ok(child)
    }

    fn with_bytes<T>(&mut self, _work: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        None
    }

    fn set_sector(&mut self, sector: Sector) {
        self.sector = sector;
    }

    fn set_device(&mut self, device: &Disk) {
        self.disk = Some(excluded(|| device.0.clone()));
    }

    fn carry(&mut self, pass: Pass) {
        excluded(|| self.passes.push(pass));
    }

    fn fill_zeros(&mut self) {
        assert_eq!(self.op, BioOp::Data(Op::Read));
    }

    fn complete(mut self, result: Result<(), IoError>) {
        self.end(result);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.completed {
            self.end(Err(IoError::Failed));
        }
    }
}

/// A queue that may refuse.
#[derive(Default)]
pub(crate) struct Requests(VecDeque<Request>);

impl Queue<Request> for Requests {
    fn push(&mut self, bio: Request) -> Result<(), Request> {
        if ask().is_err() {
            return Err(bio);
        }
        excluded(|| self.0.push_back(bio));
        Ok(())
    }

    fn pop(&mut self) -> Option<Request> {
        self.0.pop_front()
    }
}
