//! Requests of the simulated host.

use std::sync::Arc;

use dm_core::{Bio, BioFlags, BioOp, Ended, IoError, Op, OutOfMemory, Pass, Sector, Sectors};
use parking_lot::Mutex;

use crate::{Disk, SimDevice, SimHost};

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
    /// Shared with its children, if it has any.
    data: Arc<Mutex<Vec<u8>>>,
    outcome: Mutex<Outcome>,
    /// Who is told when it has completed, if it is a child.
    ended: Mutex<Option<Ended<SimHost>>>,
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
        let data = Arc::new(Mutex::new(data));
        let bio = SimBio::whole(op, flags, sector, sectors, data, None);
        let ticket = Ticket { request: bio.request.clone() };
        (bio, ticket)
    }

    /// Memory for jobs.
    pub(crate) fn buffer(sectors: Sectors) -> SimBio {
        let data = vec![0; sectors.get() as usize * SECTOR];
        let op = BioOp::Data(Op::Read);
        SimBio::new(op, BioFlags::empty(), Sector::ZERO, sectors, data).0
    }

    fn whole(
        op: BioOp,
        flags: BioFlags,
        sector: Sector,
        sectors: Sectors,
        data: Arc<Mutex<Vec<u8>>>,
        ended: Option<Ended<SimHost>>,
    ) -> SimBio {
        let outcome = Mutex::new(Outcome { parts: 1, ..Outcome::default() });
        let request = Request { op, flags, data, outcome, ended: Mutex::new(ended) };
        let (request, passes) = (Arc::new(request), Vec::new());
        SimBio { request, sector, sectors, offset: 0, passes, disk: None, completed: false }
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
        let mut outcome = self.request.outcome.lock();
        if let Err(error) = result {
            outcome.error.get_or_insert(error);
        }
        outcome.parts -= 1;
        let mut ended = None;
        if outcome.parts == 0 {
            outcome.completions += 1;
            ended = self.request.ended.lock().take();
        }
        let result = outcome.error.map_or(Ok(()), Err);
        drop(outcome);
        if let Some(ended) = ended {
            ended.tell(result);
        }
        // Passes go last: who waits for the drain may look at the outcome.
        self.passes.clear();
    }
}

impl Bio for SimBio {
    type Host = SimHost;

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

    fn child(
        &self,
        op: BioOp,
        flags: BioFlags,
        sectors: Sectors,
        ended: Ended<SimHost>,
    ) -> Result<SimBio, Ended<SimHost>> {
        assert!(sectors <= self.sectors, "a child with more memory than its parent");
        let data = self.request.data.clone();
        let mut child = SimBio::whole(op, flags, Sector::ZERO, sectors, data, Some(ended));
        child.offset = self.offset;
        Ok(child)
    }

    fn with_bytes<T>(&mut self, work: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        Some(work(&mut self.request.data.lock()))
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
