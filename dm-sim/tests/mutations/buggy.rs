//! A mirror with a bug put in between its machine and the core.

use std::collections::VecDeque;
use std::fmt;

use dm_core::table_text::Args;
use dm_core::targets::{
    Action, CtrError, DeviceId, DeviceNames, Devices, Job, JobData, JobId, Machine, Map,
    MessageError, Mirror, Request, Slot, Taken, Target, TargetType,
};
use dm_core::{BioOp, IoError, Op, Sector, SectorRange, Sectors, Time};

/// What is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Bug {
    /// Nothing.
    None,
    /// Data are written before their dirty mark is in the log.
    DataBeforeMark,
    /// A job that fails is never heard of again.
    LostOnError,
    /// Marks are cleared without the legs being flushed.
    ClearedUnflushed,
    /// Reads go to the next leg, in sync or not.
    ReadElsewhere,
    /// A write to what is being copied is not held back.
    NotHeldBack,
    /// A write that fails on a leg is taken for a good one.
    FailureIgnored,
    /// The log is written without FUA.
    LogUnflushed,
    /// Writes with FUA go to the legs without it.
    FuaForgotten,
    /// Regions are called in sync that were never copied.
    NotCopied,
    /// A flush does not reach the first leg.
    FlushSkipped,
}

/// The target type `mirror`, with a bug.
pub(crate) struct Buggy(pub(crate) Bug);

impl TargetType for Buggy {
    fn name(&self) -> &'static str {
        Mirror.name()
    }

    fn version(&self) -> [u16; 3] {
        Mirror.version()
    }

    fn usage(&self) -> &'static str {
        Mirror.usage()
    }

    fn construct<'t>(
        &self,
        args: Args<'t>,
        at: SectorRange,
        devices: &mut dyn Devices,
    ) -> Result<Box<dyn Target>, CtrError<'t>> {
        let mut words = args.clone().map(|word| word.raw().to_owned());
        let on_disk = words.next().as_deref() == Some("disk");
        let log_words = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut words = words.skip(log_words);
        let count = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let words: Vec<String> = words.take(2 * count).collect();
        let mut mirror = Mirror.construct(args, at, devices)?;
        // The mirror has opened them: asking again only tells their numbers.
        let legs = words
            .chunks(2)
            .filter_map(|leg| Some((devices.open(&leg[0]).ok()?, leg[1].parse().ok()?)));
        let legs = legs.collect();
        let machine = mirror.take_machine().map(|inner| {
            let bug = self.0;
            let (own, late) = (VecDeque::new(), None);
            let machine = BuggyMachine { inner, bug, on_disk, legs, own, late, taken: Vec::new() };
            Box::new(machine) as Box<dyn Machine>
        });
        Ok(Box::new(BuggyTarget { mirror, machine }))
    }
}

struct BuggyTarget {
    mirror: Box<dyn Target>,
    machine: Option<Box<dyn Machine>>,
}

impl Target for BuggyTarget {
    fn name(&self) -> &'static str {
        self.mirror.name()
    }

    fn map(&self, request: &Request) -> Map {
        self.mirror.map(request)
    }

    fn take_machine(&mut self) -> Option<Box<dyn Machine>> {
        self.machine.take()
    }

    fn write_args(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        self.mirror.write_args(out, names)
    }

    fn write_status(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        self.mirror.write_status(out, names)
    }

    fn message(&self, words: Args<'_>, answer: &mut dyn fmt::Write) -> Result<(), MessageError> {
        self.mirror.message(words, answer)
    }
}

struct BuggyMachine {
    inner: Box<dyn Machine>,
    bug: Bug,
    on_disk: bool,
    /// Where each leg lies.
    legs: Vec<(DeviceId, u64)>,
    /// What is to be done that the mirror did not ask for.
    own: VecDeque<Action>,
    late: Option<Late>,
    /// Requests that the mirror never saw, with the number of their jobs.
    taken: Vec<(Slot, usize, Result<(), IoError>)>,
}

/// A write of the log that the mirror believes is over.
struct Late {
    job: Job,
    under_way: bool,
    /// What the mirror wanted meanwhile, and has to wait for.
    waiting: Option<Action>,
}

/// Numbers that no job of the mirror has.
const LATE: JobId = JobId(u32::MAX);
const OWN: u32 = 0xf000_0000;

impl BuggyMachine {
    fn is_log(&self, job: &Job) -> bool {
        job.op == BioOp::Data(Op::Write) && !self.legs.iter().any(|leg| leg.0 == job.device)
    }

    /// What is done instead of a job.
    fn instead(&mut self, mut job: Job, now: Time) -> Option<Action> {
        let of_request = matches!(job.data, JobData::Request(_));
        let reads = job.op == BioOp::Data(Op::Read);
        let flushes = job.op == BioOp::Flush;
        let skipped = match self.bug {
            Bug::DataBeforeMark if self.is_log(&job) => {
                self.late = Some(Late { job, under_way: false, waiting: None });
                true
            }
            Bug::ClearedUnflushed => flushes && !of_request,
            Bug::FlushSkipped => flushes && of_request && job.device == self.legs[0].0,
            Bug::NotCopied => !reads && !flushes && !of_request && !self.is_log(&job),
            _ => false,
        };
        if skipped {
            self.inner.handle_done(job.id, Ok(()), now);
            return None;
        }
        match self.bug {
            Bug::ReadElsewhere if of_request && reads => {
                let here = self.legs.iter().position(|leg| leg.0 == job.device);
                if let Some(n) = here {
                    let at = job.sector.get() - self.legs[n].1;
                    let (device, start) = self.legs[(n + 1) % self.legs.len()];
                    (job.device, job.sector) = (device, Sector::new(start + at));
                }
            }
            Bug::LogUnflushed if self.is_log(&job) => job.fua = false,
            Bug::FuaForgotten if of_request => job.fua = false,
            _ => {}
        }
        Some(Action::Start(job))
    }

    fn write_past_the_mirror(&mut self, slot: Slot, taken: &Taken) {
        self.taken.push((slot, self.legs.len(), Ok(())));
        for &(device, start) in &self.legs {
            self.own.push_back(Action::Start(Job {
                id: JobId(OWN | u32::from(slot)),
                data: JobData::Request(slot),
                op: taken.op,
                fua: taken.fua,
                device,
                sector: Sector::new(start + taken.at.get()),
                sectors: taken.sectors,
            }));
        }
    }

    fn own_job_done(&mut self, slot: Slot, result: Result<(), IoError>) {
        let Some(n) = self.taken.iter().position(|taken| taken.0 == slot) else {
            return;
        };
        self.taken[n].1 -= 1;
        self.taken[n].2 = self.taken[n].2.and(result);
        if self.taken[n].1 == 0 {
            let (slot, _, result) = self.taken.remove(n);
            self.own.push_back(Action::Complete { slot, result });
        }
    }
}

impl Machine for BuggyMachine {
    fn capacity(&self) -> u16 {
        self.inner.capacity()
    }

    fn buffer(&self, n: u16) -> Option<Sectors> {
        self.inner.buffer(n)
    }

    fn resume(&mut self, now: Time) {
        self.inner.resume(now);
    }

    fn suspend(&mut self, now: Time) {
        self.inner.suspend(now);
    }

    fn handle_request(&mut self, slot: Slot, taken: &Taken, now: Time) {
        let writes = matches!(taken.op, BioOp::Data(op) if op.is_write());
        if self.bug == Bug::NotHeldBack && writes && !self.on_disk {
            return self.write_past_the_mirror(slot, taken);
        }
        self.inner.handle_request(slot, taken, now);
    }

    fn handle_done(&mut self, job: JobId, result: Result<(), IoError>, now: Time) {
        if job == LATE {
            self.own.extend(self.late.take().and_then(|late| late.waiting));
            return;
        }
        if job.0 & OWN == OWN {
            return self.own_job_done(job.0 as Slot, result);
        }
        match (self.bug, result) {
            (Bug::LostOnError, Err(_)) => {}
            (Bug::FailureIgnored, Err(_)) => self.inner.handle_done(job, Ok(()), now),
            _ => self.inner.handle_done(job, result, now),
        }
        // Somebody's data have been written: now the mark may follow.
        if let Some(late) = self.late.as_mut().filter(|late| !late.under_way) {
            late.under_way = true;
            self.own.push_back(Action::Start(Job { id: LATE, ..late.job }));
        }
    }

    fn handle_time(&mut self, now: Time) {
        self.inner.handle_time(now);
    }

    fn fill(&mut self, buffer: u16, bytes: &mut [u8]) {
        self.inner.fill(buffer, bytes);
    }

    fn look(&mut self, buffer: u16, bytes: &[u8]) {
        self.inner.look(buffer, bytes);
    }

    fn poll(&mut self, now: Time) -> Option<Action> {
        loop {
            if let Some(action) = self.own.pop_front() {
                return Some(action);
            }
            if self.late.as_ref().is_some_and(|late| late.waiting.is_some()) {
                return None;
            }
            let action = self.inner.poll(now)?;
            match (action, &mut self.late) {
                // The log's memory is still being written from.
                (Action::Fill { .. }, Some(late)) if late.under_way => late.waiting = Some(action),
                (Action::Start(job), _) => {
                    if let Some(action) = self.instead(job, now) {
                        return Some(action);
                    }
                }
                _ => return Some(action),
            }
        }
    }

    fn timeout(&self) -> Option<Time> {
        self.inner.timeout()
    }

    fn is_quiet(&self) -> bool {
        let late = self.late.as_ref().is_some_and(|late| late.under_way);
        self.inner.is_quiet() && self.own.is_empty() && self.taken.is_empty() && !late
    }
}
