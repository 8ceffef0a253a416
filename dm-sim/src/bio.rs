//! Requests of the simulated host.

use std::sync::Arc;

use dm_core::{Bio, BioFlags, BioOp, IoError, Op, OutOfMemory, Pass, Sector, Sectors};
use parking_lot::Mutex;

use crate::{Disk, SimDevice};

const SECTOR: usize = 512;

/// A request, or a part of one that was split.
///
/// Data is shared by the parts; each knows where in it its own begins.
pub struct SimBio {
    request: Arc<Request>,
    sector: Sector,
    sectors: Sectors,
    /// Where in the request's data this part begins, in sectors.
    offset: u64,
    passes: Vec<Pass>,
    /// Where it was aimed.
    disk: Option<Disk>,
    completed: bool,
}

struct Request {
    op: BioOp,
    flags: BioFlags,
    data: Mutex<Vec<u8>>,
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
struct Outcome {
    parts: usize,
    error: Option<IoError>,
    /// How often the whole was completed: once, if all is well.
    completions: usize,
}

/// What became of a request.
#[derive(Clone)]
pub struct Ticket {
    request: Arc<Request>,
}

impl Ticket {
    /// Whether it has completed.
    pub fn is_done(&self) -> bool {
        self.request.outcome.lock().completions > 0
    }

    /// How it ended; `None` as long as it has not.
    ///
    /// # Panics
    /// If it completed more than once.
    pub fn result(&self) -> Option<Result<(), IoError>> {
        let outcome = self.request.outcome.lock();
        assert!(outcome.completions <= 1, "completed {} times", outcome.completions);
        (outcome.completions == 1).then(|| outcome.error.map_or(Ok(()), Err))
    }

    /// What a read has read so far.
    pub fn data(&self) -> Vec<u8> {
        self.request.data.lock().clone()
    }
}

impl SimBio {
    /// A request with its ticket. The data of a write is given; a read has zeros to begin with.
    pub fn new(
        op: BioOp,
        flags: BioFlags,
        sector: Sector,
        sectors: Sectors,
        data: Vec<u8>,
    ) -> (SimBio, Ticket) {
        let outcome = Mutex::new(Outcome { parts: 1, ..Outcome::default() });
        let request = Arc::new(Request { op, flags, data: Mutex::new(data), outcome });
        let ticket = Ticket { request: request.clone() };
        let passes = Vec::new();
        (
            SimBio { request, sector, sectors, offset: 0, passes, disk: None, completed: false },
            ticket,
        )
    }

    /// Its own bytes of the request's data.
    pub(crate) fn with_data<T>(&self, work: impl FnOnce(&mut [u8]) -> T) -> T {
        let mut data = self.request.data.lock();
        let start = self.offset as usize * SECTOR;
        let length = if self.carries_data() { self.sectors.get() as usize * SECTOR } else { 0 };
        work(&mut data[start..start + length])
    }

    /// The disk it was aimed at.
    ///
    /// # Panics
    /// If it was submitted without being aimed: an error of `dm-core`.
    pub(crate) fn disk(&self) -> Disk {
        self.disk.clone().expect("a bio is aimed before it is submitted")
    }

    fn carries_data(&self) -> bool {
        matches!(self.request.op, BioOp::Data(Op::Read | Op::Write))
    }

    fn part(&self, sectors: Sectors) -> SimBio {
        self.request.outcome.lock().parts += 1;
        SimBio {
            request: self.request.clone(),
            sector: self.sector,
            sectors,
            offset: self.offset,
            passes: self.passes.clone(),
            disk: self.disk.clone(),
            completed: false,
        }
    }

    fn end(&mut self, result: Result<(), IoError>) {
        self.completed = true;
        // Passes go first: who waits for the drain may look at the outcome.
        let mut outcome = self.request.outcome.lock();
        if let Err(error) = result {
            outcome.error.get_or_insert(error);
        }
        outcome.parts -= 1;
        if outcome.parts == 0 {
            outcome.completions += 1;
        }
        drop(outcome);
        self.passes.clear();
    }
}

impl Bio for SimBio {
    type Device = SimDevice;

    fn op(&self) -> BioOp {
        self.request.op
    }

    fn flags(&self) -> BioFlags {
        self.request.flags
    }

    fn sector(&self) -> Sector {
        self.sector
    }

    fn sectors(&self) -> Sectors {
        self.sectors
    }

    fn split(&mut self, front: Sectors) -> Result<SimBio, OutOfMemory> {
        assert!(!front.is_zero() && front < self.sectors, "a split that leaves nothing");
        let part = self.part(front);
        self.sector = self.sector.saturating_add(front);
        self.sectors = self.sectors.saturating_sub(front);
        self.offset += front.get();
        Ok(part)
    }

    fn duplicate(&self) -> Result<SimBio, OutOfMemory> {
        Ok(self.part(self.sectors))
    }

    fn set_sector(&mut self, sector: Sector) {
        self.sector = sector;
    }

    fn set_device(&mut self, device: &SimDevice) {
        self.disk = Some(device.disk().clone());
    }

    fn carry(&mut self, pass: Pass) {
        assert!(self.passes.len() < dm_core::MAX_DEPTH as usize, "more passes than may be stacked");
        self.passes.push(pass);
    }

    fn fill_zeros(&mut self) {
        self.with_data(|data| data.fill(0));
    }

    fn complete(mut self, result: Result<(), IoError>) {
        self.end(result);
    }
}

impl Drop for SimBio {
    fn drop(&mut self) {
        if !self.completed {
            self.end(Err(IoError::Failed));
        }
    }
}
