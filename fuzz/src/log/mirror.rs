//! Drives a mirror's machine by hand.

use dm_targets::table::{Sector, Sectors, parse};
use dm_targets::{
    Action, BioOp, DeviceId, DeviceNames, Devices, IoError, Job, JobData, Machine, Op, OpenError,
    Registry, Taken, Target, Time,
};

use super::disks::{Disks, NAMES};

/// The buffer of the log; those of copies follow.
const LOG_BUFFER: u16 = 0;

pub(super) struct Mirror {
    target: Box<dyn Target>,
    machine: Box<dyn Machine>,
    names: Names,
    now: Time,
    /// Jobs that are on their way.
    pub(super) jobs: Vec<Job>,
    log_buffer: Vec<u8>,
    /// A byte for each sector.
    buffers: Vec<Vec<u8>>,
    /// The data of the one request that there may be, and how it ended.
    pub(super) data: Vec<u8>,
    pub(super) ended: Option<Result<(), IoError>>,
}

/// What a job is about, in sectors of the mirror.
pub(super) enum Touched {
    Log,
    Leg(usize, std::ops::Range<usize>),
}

struct Names {
    /// In the order in which they were opened.
    open: Vec<String>,
    log: Sectors,
    block: Sectors,
}

impl Devices for Names {
    fn open(&mut self, name: &str) -> Result<DeviceId, OpenError> {
        self.open.push(name.to_owned());
        Ok(DeviceId(self.open.len() as u32 - 1))
    }

    fn size(&self, device: DeviceId) -> Sectors {
        if self.open[device.0 as usize] == "log" { self.log } else { Sectors::new(1 << 40) }
    }

    fn logical_block(&self, device: DeviceId) -> Sectors {
        if self.open[device.0 as usize] == "log" { self.block } else { Sectors::new(1) }
    }
}

impl DeviceNames for Names {
    fn write_name(&self, device: DeviceId, out: &mut dyn std::fmt::Write) -> std::fmt::Result {
        out.write_str(&self.open[device.0 as usize])
    }
}

impl Mirror {
    pub(super) fn load(disks: &Disks, table: &str) -> Mirror {
        let line = parse(table.as_bytes()).next().expect("a line").expect("a good one");
        let (log, block) = (Sectors::new(disks.log.len() as u64 / 512), Sectors::new(disks.block));
        let mut names = Names { open: Vec::new(), log, block };
        let registry = Registry::with_builtins().expect("memory");
        let target_type = registry.find("mirror").expect("it is built in");
        let target = target_type.construct(line.args(), line.range(), &mut names);
        let mut target = target.unwrap_or_else(|error| panic!("{table}: {error}"));
        let machine = target.take_machine().expect("mirrors have one");
        let mut buffers = Vec::new();
        while let Some(sectors) = machine.buffer(buffers.len() as u16) {
            buffers.push(vec![0xee; sectors.get() as usize]);
        }
        let log_buffer = vec![0xee; buffers[usize::from(LOG_BUFFER)].len() * 512];
        let (now, jobs, data, ended) = (Time::from_nanos(1), Vec::new(), Vec::new(), None);
        Mirror { target, machine, names, now, jobs, log_buffer, buffers, data, ended }
    }

    pub(super) fn resume(&mut self) {
        self.machine.resume(self.now);
        self.poll();
    }

    pub(super) fn suspend(&mut self) {
        self.machine.suspend(self.now);
        self.poll();
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.machine.is_quiet()
    }

    /// Begins to read as many sectors as `data` has, or to write it.
    pub(super) fn start(&mut self, op: Op, at: u64, data: Vec<u8>) {
        let sectors = Sectors::new(data.len() as u64);
        (self.data, self.ended) = (data, None);
        let (op, at) = (BioOp::Data(op), Sector::new(at));
        self.machine.handle_request(5, &Taken { op, fua: false, at, sectors }, self.now);
        self.poll();
    }

    /// Lets time pass until there is something to do; returns whether there is anything.
    pub(super) fn wait(&mut self) -> bool {
        let Some(at) = self.machine.timeout() else { return false };
        self.now = self.now.max(at);
        self.machine.handle_time(self.now);
        self.poll();
        true
    }

    fn poll(&mut self) {
        while let Some(action) = self.machine.poll(self.now) {
            match action {
                Action::Start(job) => self.jobs.push(job),
                Action::Complete { slot: 5, result } => {
                    assert_eq!(self.ended.replace(result), None, "ended twice");
                }
                Action::Fill { buffer: LOG_BUFFER } => {
                    self.machine.fill(LOG_BUFFER, &mut self.log_buffer);
                }
                Action::Look { buffer: LOG_BUFFER } => {
                    self.machine.look(LOG_BUFFER, &self.log_buffer);
                }
                Action::Event => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// What a job is about.
    pub(super) fn touched(&self, job: &Job) -> Touched {
        let name = &self.names.open[job.device.0 as usize];
        let Some(leg) = NAMES.iter().position(|leg| leg == name) else { return Touched::Log };
        if job.op == BioOp::Flush {
            return Touched::Leg(leg, 0..0);
        }
        let at = job.sector.get().checked_sub(Disks::offset(leg)).expect("no sector before it");
        Touched::Leg(leg, at as usize..(at + job.sectors.get()) as usize)
    }

    /// Carries out a job.
    pub(super) fn complete(&mut self, n: usize, disks: &mut Disks) -> Job {
        let job = self.jobs.remove(n);
        match (self.touched(&job), job.op) {
            (Touched::Log, BioOp::Data(op)) => {
                assert_eq!(job.data, JobData::Buffer(LOG_BUFFER));
                let whole = [job.sector.get(), job.sectors.get()].map(|n| n % disks.block);
                assert_eq!(whole, [0, 0], "blocks are whole");
                let (at, length) = (job.sector.get() as usize * 512, job.sectors.get() as usize);
                let place = &mut disks.log[at..at + length * 512];
                let buffer = &mut self.log_buffer[..length * 512];
                match op {
                    Op::Read => buffer.copy_from_slice(place),
                    Op::Write if job.fua => place.copy_from_slice(buffer),
                    other => panic!("{other:?} of a log"),
                }
            }
            (Touched::Leg(leg, range), BioOp::Data(op)) => {
                let memory = match job.data {
                    JobData::Request(_) => &mut self.data,
                    JobData::Buffer(n) => &mut self.buffers[usize::from(n)][..range.len()],
                };
                match op {
                    Op::Read => memory.copy_from_slice(&disks.legs[leg][range]),
                    Op::Write => disks.legs[leg][range].copy_from_slice(memory),
                    other => panic!("{other:?} of a leg"),
                }
            }
            (Touched::Leg(..), BioOp::Flush) => {}
            (Touched::Log, op) => panic!("{op:?} of a log"),
        }
        self.machine.handle_done(job.id, Ok(()), self.now);
        self.poll();
        job
    }

    pub(super) fn status(&self) -> String {
        let mut text = String::new();
        self.target.write_status(&mut text, &self.names).expect("text takes all");
        text
    }
}
