//! A host whose disk is a thread, and whose every step is one of shuttle's.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use dm_core::{
    Bio, BioFlags, BioOp, Change, Device, DeviceMapper, Ended, Host, IoError, Limits, Minor, Mode,
    Op, Open, OpenError, OutOfMemory, Pass, Registry, Sector, Sectors, Time,
};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;

pub(crate) type Mapper = DeviceMapper<TestHost>;

/// A lock that threads take turns at.
pub(crate) struct RawLock(AtomicBool);

// SAFETY: it is held by whoever turned `false` into `true`, until that one turns it back.
unsafe impl lock_api::RawMutex for RawLock {
    const INIT: RawLock = RawLock(AtomicBool::new(false));
    type Guard = ();

    fn lock(&self) {
        while self.try_lock().is_none() {
            thread::yield_now();
        }
    }

    fn try_lock(&self) -> Option<()> {
        let taken = self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        taken.ok().map(drop)
    }

    unsafe fn unlock(&self, (): ()) {
        self.0.store(false, Ordering::Release);
    }

    fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where threads sleep until the host is notified.
#[derive(Clone)]
pub(crate) struct Waits(Arc<(Mutex<u64>, Condvar)>);

impl Waits {
    fn new() -> Waits {
        Waits(Arc::new((Mutex::new(0), Condvar::new())))
    }

    fn wake(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_all();
    }

    /// Sleeps until something is so; it looks again only when the host was notified.
    pub(crate) fn until(&self, mut is_so: impl FnMut() -> bool) {
        loop {
            let seen = *self.0.0.lock().unwrap();
            if is_so() {
                return;
            }
            let mut count = self.0.0.lock().unwrap();
            while *count == seen {
                count = self.0.1.wait(count).unwrap();
            }
        }
    }

    pub(crate) fn wait(&self, change: &Change<TestHost>) {
        self.until(|| change.is_done());
    }
}

#[derive(Default)]
struct Inner {
    /// Requests on their way to disks.
    queue: VecDeque<Request>,
    /// Requests that the disk works at.
    at_work: usize,
    /// How often each disk is open.
    opens: HashMap<&'static str, usize>,
    closed: usize,
    is_over: bool,
}

#[derive(Clone)]
pub(crate) struct Shared {
    inner: Arc<(Mutex<Inner>, Condvar)>,
    waits: Waits,
}

pub(crate) struct TestHost(Shared);

impl TestHost {
    pub(crate) fn on_their_way(&self) -> usize {
        let inner = self.0.inner.0.lock().unwrap();
        inner.queue.len() + inner.at_work
    }

    pub(crate) fn open_disks(&self) -> Vec<&'static str> {
        self.0.inner.0.lock().unwrap().opens.keys().copied().collect()
    }

    /// How many disks were closed.
    pub(crate) fn closed(&self) -> usize {
        self.0.inner.0.lock().unwrap().closed
    }
}

impl Host for TestHost {
    type Device = Disk;
    type Bio = Request;
    type Queue = VecDeque<Request>;
    type Lock = RawLock;
    const COMPLETIONS_SUBMIT: bool = true;

    fn open(&self, name: &str, _mode: Mode) -> Result<Disk, OpenError> {
        let name =
            ["a", "b"].into_iter().find(|known| *known == name).ok_or(OpenError::NotFound)?;
        *self.0.inner.0.lock().unwrap().opens.entry(name).or_default() += 1;
        Ok(Disk { name, life: Arc::new(AtomicBool::new(true)), shared: self.0.clone() })
    }

    fn submit(&self, bio: Request) {
        self.0.inner.0.lock().unwrap().queue.push_back(bio);
        self.0.inner.1.notify_one();
    }

    fn notify(&self, _minor: Minor) {
        self.0.waits.wake();
    }

    fn now(&self) -> Time {
        Time::default()
    }

    fn wake(&self, _minor: Minor, _at: Time) {}

    fn buffer(&self, sectors: Sectors) -> Result<Request, OutOfMemory> {
        let ticket = Ticket::new(&self.0.waits);
        Ok(Request::new(BioOp::Data(Op::Read), Sector::ZERO, sectors, ticket))
    }

    fn lane(&self) -> usize {
        // Threads are numbered as they are started.
        usize::from(thread::current().id()) % 2
    }

    fn lanes(&self) -> usize {
        2
    }
}

/// An open disk.
pub(crate) struct Disk {
    name: &'static str,
    life: Arc<AtomicBool>,
    shared: Shared,
}

impl Drop for Disk {
    fn drop(&mut self) {
        assert!(self.life.swap(false, Ordering::SeqCst), "closed twice");
        let mut inner = self.shared.inner.0.lock().unwrap();
        inner.closed += 1;
        let opens = inner.opens.get_mut(self.name).expect("it is open");
        *opens -= 1;
        if *opens == 0 {
            inner.opens.remove(self.name);
        }
    }
}

impl Device for Disk {
    fn size(&self) -> Sectors {
        Sectors::new(8)
    }
    fn limits(&self) -> Limits {
        Limits::NONE
    }
    fn is_same(&self, other: &Disk) -> bool {
        self.name == other.name
    }
    fn write_name(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(self.name)
    }
}

/// What becomes of a request: known to who made it.
#[derive(Clone)]
pub(crate) struct Ticket {
    outcome: Arc<Mutex<Outcome>>,
    waits: Waits,
}

struct Outcome {
    parts: usize,
    result: Result<(), IoError>,
    disks: Vec<&'static str>,
}

impl Ticket {
    fn new(waits: &Waits) -> Ticket {
        let outcome = Outcome { parts: 1, result: Ok(()), disks: Vec::new() };
        Ticket { outcome: Arc::new(Mutex::new(outcome)), waits: waits.clone() }
    }

    /// Reads so many sectors.
    pub(crate) fn read(waits: &Waits, open: &Open<TestHost>, sector: u64, sectors: u64) -> Ticket {
        let ticket = Ticket::new(waits);
        let (sector, sectors) = (Sector::new(sector), Sectors::new(sectors));
        open.submit(Request::new(BioOp::Data(Op::Read), sector, sectors, ticket.clone()));
        ticket
    }

    /// How it went; `None` before it is known.
    pub(crate) fn result(&self) -> Option<Result<(), IoError>> {
        let outcome = self.outcome.lock().unwrap();
        (outcome.parts == 0).then_some(outcome.result)
    }

    /// Sleeps until it is known how it went.
    pub(crate) fn wait(&self) -> Result<(), IoError> {
        self.waits.until(|| self.result().is_some());
        self.outcome.lock().unwrap().result
    }

    /// The disks that carried it out.
    pub(crate) fn disks(&self) -> Vec<&'static str> {
        self.outcome.lock().unwrap().disks.clone()
    }
}

/// A read or a part of one, or a job of a machine.
pub(crate) struct Request {
    op: BioOp,
    sector: Sector,
    sectors: Sectors,
    ticket: Ticket,
    /// The disk that it was aimed at, and whether that is open.
    aim: Option<(&'static str, Arc<AtomicBool>)>,
    result: Result<(), IoError>,
    /// Whose job it is.
    ended: Option<Ended<TestHost>>,
    /// Dropped last.
    passes: Vec<Pass>,
}

impl Request {
    fn new(op: BioOp, sector: Sector, sectors: Sectors, ticket: Ticket) -> Request {
        Request {
            op,
            sector,
            sectors,
            ticket,
            aim: None,
            result: Err(IoError::Failed),
            ended: None,
            passes: Vec::new(),
        }
    }

    fn part(&self, sectors: Sectors) -> Request {
        assert!(self.ended.is_none(), "no disk has a limit that a job would be split for");
        self.ticket.outcome.lock().unwrap().parts += 1;
        let mut part = Request::new(self.op, self.sector, sectors, self.ticket.clone());
        part.passes = self.passes.clone();
        part
    }

    /// What it is aimed at must be open for as long as it is on its way.
    fn check(&self) -> &'static str {
        let (name, life) = self.aim.as_ref().expect("it was aimed at a disk");
        assert!(life.load(Ordering::SeqCst), "a request for {name}, which is closed");
        name
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut outcome = self.ticket.outcome.lock().unwrap();
        outcome.parts = outcome.parts.checked_sub(1).expect("a part completes once");
        outcome.result = outcome.result.and(self.result);
        drop(outcome);
        self.ticket.waits.wake();
        if let Some(ended) = self.ended.take() {
            ended.tell(self.result);
        }
    }
}

impl Bio for Request {
    type Host = TestHost;

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
        let part = self.part(front);
        self.sector = self.sector.saturating_add(front);
        self.sectors = self.sectors.saturating_sub(front);
        Ok(part)
    }
    fn duplicate(&self) -> Result<Request, OutOfMemory> {
        Ok(self.part(self.sectors))
    }
    fn child(
        &self,
        op: BioOp,
        _flags: BioFlags,
        sectors: Sectors,
        ended: Ended<TestHost>,
    ) -> Result<Request, Ended<TestHost>> {
        let ticket = Ticket::new(&self.ticket.waits);
        let mut job = Request::new(op, self.sector, sectors, ticket);
        job.ended = Some(ended);
        Ok(job)
    }
    fn with_bytes<T>(&mut self, _work: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        None
    }
    fn set_sector(&mut self, sector: Sector) {
        self.sector = sector;
    }
    fn set_device(&mut self, device: &Disk) {
        self.aim = Some((device.name, device.life.clone()));
    }
    fn carry(&mut self, pass: Pass) {
        self.passes.push(pass);
    }
    fn fill_zeros(&mut self) {}
    fn complete(mut self, result: Result<(), IoError>) {
        self.result = result;
    }
}

/// A mapper on a host, a thread that is its disks, and one that settles what has drained.
pub(crate) struct World {
    pub(crate) mapper: Arc<Mapper>,
    shared: Shared,
}

impl World {
    pub(crate) fn run(test: &dyn Fn(&World)) {
        let waits = Waits::new();
        let inner = Arc::new((Mutex::new(Inner::default()), Condvar::new()));
        let shared = Shared { inner, waits };
        let registry = Registry::with_builtins().unwrap();
        let mapper = Arc::new(DeviceMapper::new(TestHost(shared.clone()), registry).unwrap());
        let world = World { mapper: mapper.clone(), shared: shared.clone() };
        let threads = [
            thread::spawn({
                let shared = shared.clone();
                move || shared.work()
            }),
            thread::spawn({
                let shared = shared.clone();
                move || shared.settle(&mapper)
            }),
        ];
        test(&world);
        shared.inner.0.lock().unwrap().is_over = true;
        shared.inner.1.notify_all();
        shared.waits.wake();
        for thread in threads {
            thread.join().unwrap();
        }
        drop(world);
        let inner = shared.inner.0.lock().unwrap();
        assert!(inner.opens.is_empty(), "still open: {:?}", inner.opens);
        assert!(inner.queue.is_empty(), "requests are lost");
    }

    pub(crate) fn host(&self) -> &TestHost {
        self.mapper.host()
    }

    pub(crate) fn waits(&self) -> Waits {
        self.shared.waits.clone()
    }

    pub(crate) fn wait(&self, change: &Change<TestHost>) {
        self.shared.waits.wait(change);
    }
}

impl Shared {
    /// The disks: they carry out what they are asked for, the newest first, so that the first part of a
    /// request may be the last to end.
    fn work(&self) {
        loop {
            let mut inner = self.inner.0.lock().unwrap();
            let bio = loop {
                match inner.queue.pop_back() {
                    Some(bio) => break bio,
                    None if inner.is_over => return,
                    None => inner = self.inner.1.wait(inner).unwrap(),
                }
            };
            inner.at_work += 1;
            drop(inner);
            let name = bio.check();
            bio.ticket.outcome.lock().unwrap().disks.push(name);
            bio.check();
            self.inner.0.lock().unwrap().at_work -= 1;
            bio.complete(Ok(()));
        }
    }

    /// What a host promises to do after it was notified.
    fn settle(&self, mapper: &Mapper) {
        let mut seen = 0;
        loop {
            let mut count = self.waits.0.0.lock().unwrap();
            while *count == seen {
                count = self.waits.0.1.wait(count).unwrap();
            }
            seen = *count;
            drop(count);
            if self.inner.0.lock().unwrap().is_over {
                return;
            }
            mapper.settle_all();
        }
    }
}
