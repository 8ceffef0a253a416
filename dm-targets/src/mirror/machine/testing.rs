//! A mirror's machine by itself: whoever tests it decides how and when each job ends, and what time
//! it is.

use core::time::Duration;
use std::format;
use std::string::String;
use std::vec;

use dm_table::Sector;

use super::*;
use crate::testing::{TestDevices, construct};
use crate::{BioOp, Job, Op, Target};

pub(super) const FAILED: Result<(), IoError> = Err(IoError::Failed);

pub(super) struct Rig {
    target: Box<dyn Target>,
    devices: TestDevices,
    pub(super) machine: Box<dyn Machine>,
    pub(super) now: Time,
    jobs: Vec<Job>,
    /// All that was ever started, but for the log's.
    pub(super) history: Vec<String>,
    results: Vec<(Slot, Result<(), IoError>)>,
    next_slot: Slot,
    page: Vec<u8>,
    pub(super) log: Vec<u8>,
    pub(super) log_reads: usize,
    pub(super) log_fails: bool,
}

impl Rig {
    /// A mirror that is not resumed yet.
    pub(super) fn new(length: u64, args: &str) -> Rig {
        let (mut target, devices) = construct(&format!("0 {length} mirror {args}")).unwrap();
        let machine = target.take_machine().unwrap();
        Rig {
            target,
            devices,
            machine,
            now: Time::from_nanos(1_000_000_000),
            jobs: vec![],
            history: vec![],
            results: vec![],
            next_slot: 0,
            page: vec![0; 4096],
            log: vec![0; 1 << 17],
            log_reads: 0,
            log_fails: false,
        }
    }

    pub(super) fn resumed(length: u64, args: &str) -> Rig {
        let mut rig = Rig::new(length, args);
        rig.resume();
        rig
    }

    pub(super) fn resume(&mut self) {
        self.machine.resume(self.now);
        self.run();
    }

    pub(super) fn suspend(&mut self) {
        self.machine.suspend(self.now);
        self.run();
    }

    /// Has the machine do what it wants to. Jobs of the log end at once, others when they are told to.
    pub(super) fn run(&mut self) {
        for _ in 0..1000 {
            match self.machine.poll(self.now) {
                None => return,
                Some(Action::Fill { buffer }) => self.machine.fill(buffer, &mut self.page),
                Some(Action::Look { buffer }) => self.machine.look(buffer, &self.page),
                Some(Action::Start(job)) => self.start(job),
                Some(Action::Complete { slot, result }) => self.results.push((slot, result)),
                Some(Action::Event) => {}
                Some(Action::Zero { .. }) => panic!("of a mirror"),
            }
        }
        panic!("does not come to rest");
    }

    fn start(&mut self, job: Job) {
        if job.id != LOG_JOB {
            self.history.push(describe(&job));
            self.jobs.push(job);
            return;
        }
        let at = job.sector.get() as usize * 512;
        let place = &mut self.log[at..][..job.sectors.get() as usize * 512];
        let page = &mut self.page[..place.len()];
        if job.op == BioOp::Data(Op::Read) {
            page.copy_from_slice(place);
            self.log_reads += 1;
        } else if !self.log_fails {
            place.copy_from_slice(page);
        }
        let result = if self.log_fails { FAILED } else { Ok(()) };
        self.machine.handle_done(job.id, result, self.now);
    }

    /// What is on its way: whose it is, what, to which leg, and which sectors.
    pub(super) fn jobs(&self) -> Vec<String> {
        self.jobs.iter().map(describe).collect()
    }

    /// Ends a job that is on its way.
    pub(super) fn end(&mut self, what: &str, result: Result<(), IoError>) {
        let n = self.jobs.iter().position(|job| describe(job) == what);
        let job = self.jobs.remove(n.unwrap_or_else(|| panic!("no {what}: {:?}", self.jobs())));
        self.machine.handle_done(job.id, result, self.now);
        self.run();
    }

    pub(super) fn done(&mut self, what: &[&str]) {
        what.iter().for_each(|what| self.end(what, Ok(())));
    }

    /// Ends all jobs well, and those that follow.
    pub(super) fn finish(&mut self) {
        for _ in 0..1000 {
            self.run();
            let Some(job) = self.jobs.first() else {
                if self.machine.timeout() == Some(Time::default()) {
                    continue;
                }
                return;
            };
            self.end(&describe(job), Ok(()));
        }
        panic!("goes on and on");
    }

    pub(super) fn request(&mut self, op: BioOp, at: u64, sectors: u64) -> Slot {
        let (slot, at, sectors) = (self.next_slot, Sector::new(at), Sectors::new(sectors));
        self.next_slot += 1;
        self.machine.handle_request(slot, &Taken { op, fua: false, at, sectors }, self.now);
        self.run();
        slot
    }

    pub(super) fn read(&mut self, at: u64, sectors: u64) -> Slot {
        self.request(BioOp::Data(Op::Read), at, sectors)
    }

    pub(super) fn write(&mut self, at: u64, sectors: u64) -> Slot {
        self.request(BioOp::Data(Op::Write), at, sectors)
    }

    pub(super) fn flush(&mut self) -> Slot {
        self.request(BioOp::Flush, 0, 0)
    }

    pub(super) fn result(&self, slot: Slot) -> Option<Result<(), IoError>> {
        self.results.iter().find(|(of, _)| *of == slot).map(|(_, result)| *result)
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.now = self.now.after(by);
        self.run();
    }

    pub(super) fn tell(&self, words: &str) -> bool {
        let words = dm_table::Args::new(words, dm_table::Position::START);
        self.target.message(words, &mut String::new()).is_ok()
    }

    /// How many regions are in sync, and the legs' letters.
    pub(super) fn status(&self) -> String {
        let mut text = String::new();
        self.target.write_status(&mut text, &self.devices).unwrap();
        let words: Vec<&str> = text.split(' ').collect();
        let count: usize = words[0].parse().unwrap();
        format!("{} {}", words[count + 1], words[count + 3])
    }

    /// The condition of the log.
    pub(super) fn log_letter(&self) -> Option<char> {
        let mut text = String::new();
        self.target.write_status(&mut text, &self.devices).unwrap();
        text.chars().next_back()
    }
}

fn describe(job: &Job) -> String {
    let [part, leg, ..] = job.id.0.to_be_bytes();
    let part = match part {
        0 => "request",
        1 => "copy",
        2 => "sweep",
        _ => panic!("{job:?}"),
    };
    match job.op {
        BioOp::Flush => format!("{part} flush {leg}"),
        BioOp::Data(op) => {
            let op = if op == Op::Read { "read" } else { "write" };
            format!("{part} {op} {leg}: {}+{}", job.sector, job.sectors)
        }
    }
}
