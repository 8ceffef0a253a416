//! Requests of the simulated host.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// Whose memory it uses, if it is a child.
    parent: Option<Arc<Request>>,
    /// Children that have not completed.
    children: AtomicU64,
    /// If it is a buffer.
    _lease: Option<Lease>,
}

/// Counts sectors for as long as a buffer has them.
struct Lease {
    sectors: u64,
    count: Arc<AtomicU64>,
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

impl Request {
    fn new(op: BioOp, flags: BioFlags, data: Vec<u8>) -> Request {
        Request {
            op,
            flags,
            data: Arc::new(Mutex::new(data)),
            outcome: Mutex::new(Outcome { parts: 1, ..Outcome::default() }),
            ended: Mutex::default(),
            parent: None,
            children: AtomicU64::new(0),
            _lease: None,
        }
    }

    /// Memory must not go while jobs use it.
    fn check_children(&self) {
        let children = self.children.load(Ordering::Relaxed);
        if children > 0 && !std::thread::panicking() {
            panic!(
                "a request completed, or a buffer was dropped, with {children} jobs at work on it"
            );
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.count.fetch_sub(self.sectors, Ordering::Relaxed);
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
        let bio = SimBio::whole(Request::new(op, flags, data), sector, sectors);
        let ticket = Ticket { request: bio.request.clone() };
        (bio, ticket)
    }

    /// Memory for jobs. As long as it lives, its sectors count.
    pub(crate) fn buffer(sectors: Sectors, count: Arc<AtomicU64>) -> SimBio {
        let data = vec![0; sectors.get() as usize * SECTOR];
        count.fetch_add(sectors.get(), Ordering::Relaxed);
        let _lease = Some(Lease { sectors: sectors.get(), count });
        let request = Request::new(BioOp::Data(Op::Read), BioFlags::empty(), data);
        SimBio::whole(Request { _lease, ..request }, Sector::ZERO, sectors)
    }

    fn whole(request: Request, sector: Sector, sectors: Sectors) -> SimBio {
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

    /// Ends this part, or loses it.
    fn end(&mut self, result: Option<Result<(), IoError>>) {
        self.completed = true;
        let mut outcome = self.request.outcome.lock();
        if let Err(error) = result.unwrap_or(Err(IoError::Failed)) {
            outcome.error.get_or_insert(error);
        }
        outcome.parts -= 1;
        let mut ended = None;
        let over = outcome.parts == 0;
        if over {
            outcome.completions += 1;
            ended = self.request.ended.lock().take();
        }
        let all = outcome.error.map_or(Ok(()), Err);
        drop(outcome);
        if over {
            self.request.check_children();
            if let Some(parent) = &self.request.parent {
                parent.children.fetch_sub(1, Ordering::Relaxed);
            }
        }
        match ended {
            Some(ended) if result.is_some() => ended.tell(all),
            // That it is dropped says enough.
            ended => drop(ended),
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
        self.request.children.fetch_add(1, Ordering::Relaxed);
        let request = Request {
            data: self.request.data.clone(),
            ended: Mutex::new(Some(ended)),
            parent: Some(self.request.clone()),
            ..Request::new(op, flags, Vec::new())
        };
        let mut child = SimBio::whole(request, Sector::ZERO, sectors);
        child.offset = self.offset;
        Ok(child)
    }

    fn with_bytes<T>(&mut self, work: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        let free = self.request.children.load(Ordering::Relaxed) == 0;
        free.then(|| work(&mut self.request.data.lock()))
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
        self.end(Some(result));
    }
}

impl Drop for SimBio {
    fn drop(&mut self) {
        if !self.completed {
            self.end(None);
        }
    }
}
