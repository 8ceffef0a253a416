//! What is to happen in a run: disks, tables, requests, and what goes wrong.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use dm_core::{BioOp, Limits, Op, Registry};

use crate::{Fault, Random};

/// Everything that a run consists of, apart from its order, which a seed decides.
///
/// All fields are open: build one with [`Plan::new`], and change what should be different.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to call it.
    pub name: String,
    /// The target types that tables may name.
    pub registry: Arc<Registry>,
    /// The disks. Each sector has something of its own in it to begin with.
    pub disks: Vec<DiskPlan>,
    /// Whether all copies are the same to begin with.
    pub alike: bool,
    /// How many sectors the mapped device has.
    pub sectors: u64,
    /// The table to begin with.
    pub layout: Layout,
    /// What is asked of the device, in this order.
    pub requests: Vec<Work>,
    /// What else happens, in this order, while the requests are under way.
    pub controls: Vec<Control>,
    /// What is done when everything else is over and the disks were mended, before it is looked
    /// whether all is well.
    pub at_end: Vec<Act>,
    /// How many requests may be under way at once.
    pub in_flight: usize,
    /// Whether a write may begin while another one to the same sectors is under way.
    pub races: bool,
    /// What is checked.
    pub promises: Promises,
    /// Decides in which order things happen, and how bad disks fail.
    pub schedule: u64,
}

/// A disk of a plan.
#[derive(Clone, Debug)]
pub struct DiskPlan {
    /// What tables call it.
    pub name: String,
    /// How many sectors it has.
    pub sectors: u64,
    /// What it asks of requests.
    pub limits: Limits,
}

/// A table, and where it keeps what is written.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The table.
    pub table: String,
    /// Where the device's sectors lie. Several places for a sector are copies, which are compared with
    /// what should be there when all is said and done; the first of them is where the device's
    /// contents come from, to begin with. Sectors without a place are zeros to begin with.
    pub places: Vec<Place>,
    /// The layout to go on with after a power cut; the same one, by default.
    pub after_cut: Option<Box<Layout>>,
}

/// Sectors of the device that lie on a disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Which sectors of the device.
    pub sectors: Range<u64>,
    /// On which of the plan's disks.
    pub disk: usize,
    /// From which of its sectors on.
    pub start: u64,
}

/// A request to the mapped device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Work {
    /// What is to be done. What is written is up to the run.
    pub op: BioOp,
    /// Whether it must last once it has completed.
    pub fua: bool,
    /// Where it begins.
    pub sector: u64,
    /// How long it is; zero for a flush.
    pub sectors: u64,
}

/// Something that happens, so many steps after what came before it.
#[derive(Clone, Debug)]
pub struct Control {
    /// After how many steps; sooner if nothing else is left to do.
    pub after: u64,
    /// What.
    pub what: Act,
}

/// Something that is done to the device or to its disks. Disks go by their place in the plan.
#[derive(Clone, Debug)]
pub enum Act {
    /// A disk begins to fail requests.
    Fault(usize, Fault),
    /// A disk goes away.
    Leave(usize),
    /// A disk loses what is in its cache, or parts of it. No target that keeps copies can tell.
    LoseCache(usize),
    /// A disk lets requests wait.
    Stall(usize, Duration),
    /// A disk is well again, and back if it was away.
    Mend(usize),
    /// The device is suspended.
    Suspend,
    /// The device is resumed.
    Resume,
    /// A table is loaded and bound.
    Load(Layout),
    /// The same, once every copy is in sync; not at all if that does not come to pass.
    LoadWhenSynced(Layout),
    /// A message is sent to the target at a sector.
    Message(u64, String),
    /// The power fails, and comes back. The table in force is loaded again.
    CutPower,
}

/// What a run checks, besides what always holds.
///
/// It always holds that every request completes once; that a read returns the last write that was
/// acknowledged before it began or one that was concurrent with it, where a write that failed leaves
/// either; that what was flushed, or written with FUA, survives a power cut; that a suspend drains
/// once disks answer; that memory and devices are given back.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// No request fails, whatever is done to the disks. Without it, none fails before something was.
    pub hides_faults: bool,
    /// Where writes to the same sectors race, the same one wins on every copy.
    pub orders_races: bool,
    /// Where a write failed, all copies are equal again in the end.
    pub mends_failures: bool,
    /// How many requests wait at disks at most, for each request under way and besides.
    pub jobs: (usize, usize),
    /// How many sectors of memory the target holds at most. While one table replaces another, both
    /// hold that many.
    pub buffers: u64,
}

impl Place {
    /// Where on the disk a sector of the device lies, if here.
    pub(crate) fn of(&self, sector: u64) -> Option<u64> {
        self.sectors.contains(&sector).then(|| self.start + (sector - self.sectors.start))
    }
}

impl Promises {
    /// Those of a target without state, whose every sector lies on one disk.
    pub const STATELESS: Promises = Promises {
        hides_faults: false,
        orders_races: true,
        mends_failures: true,
        jobs: (16, 0),
        buffers: 0,
    };
}

impl Plan {
    /// One with the built-in target types in which nothing happens yet.
    ///
    /// # Panics
    /// If there is no memory for it.
    pub fn new(name: &str, seed: u64, sectors: u64, table: &str) -> Plan {
        let registry = Registry::with_builtins().expect("memory for the built-in target types");
        Plan {
            name: name.to_owned(),
            registry: Arc::new(registry),
            disks: Vec::new(),
            alike: false,
            sectors,
            layout: Layout { table: table.to_owned(), ..Layout::default() },
            requests: Vec::new(),
            controls: Vec::new(),
            at_end: Vec::new(),
            in_flight: 8,
            races: true,
            promises: Promises::STATELESS,
            schedule: seed,
        }
    }

    /// Adds a disk that takes any request; returns its place.
    pub fn add_disk(&mut self, name: &str, sectors: u64) -> usize {
        self.disks.push(DiskPlan { name: name.to_owned(), sectors, limits: Limits::NONE });
        self.disks.len() - 1
    }

    /// Adds requests of all kinds and sizes, most of them crowded together somewhere.
    pub fn add_requests(&mut self, count: usize, random: &mut Random) {
        let crowd = random.below(self.sectors);
        let width = random.between(1, self.sectors.min(32));
        let writes = random.between(20, 80);
        for _ in 0..count {
            let sector = match random.percent(70) {
                true => (crowd + random.below(width)) % self.sectors,
                false => random.below(self.sectors),
            };
            let longest = if random.percent(90) { 8 } else { 40 };
            let sectors = random.between(1, longest).min(self.sectors - sector);
            let op = match random.below(100) {
                0..6 => BioOp::Flush,
                6..9 => BioOp::Data(Op::Discard),
                9..12 => BioOp::Data(Op::WriteZeroes),
                _ if random.percent(writes) => BioOp::Data(Op::Write),
                _ => BioOp::Data(Op::Read),
            };
            let fua = matches!(op, BioOp::Data(op) if op.is_write()) && random.percent(12);
            let (sector, sectors) = if op == BioOp::Flush { (0, 0) } else { (sector, sectors) };
            self.requests.push(Work { op, fua, sector, sectors });
        }
    }

    /// Adds something that happens up to `within` steps after what was added before it.
    pub fn add(&mut self, random: &mut Random, within: u64, what: Act) {
        self.controls.push(Control { after: random.below(within + 1), what });
    }

    /// Adds a suspend and a resume.
    pub fn add_suspend(&mut self, random: &mut Random) {
        self.add(random, 150, Act::Suspend);
        self.add(random, 60, Act::Resume);
    }

    /// Has some disk stall for up to two seconds.
    pub fn add_stall(&mut self, random: &mut Random) {
        let disk = random.below(self.disks.len() as u64) as usize;
        let wait = Duration::from_micros(random.between(1, 2_000_000));
        self.add(random, 100, Act::Stall(disk, wait));
    }

    /// Adds a fault of some kind on a disk, which is mended later, or never before the end.
    pub fn add_fault(&mut self, disk: usize, random: &mut Random) {
        let what = match random.below(6) {
            0 => Act::Leave(disk),
            _ => Act::Fault(disk, Fault::random(random, self.disks[disk].sectors)),
        };
        self.add(random, 120, what);
        if random.coin() {
            self.add(random, 120, Act::Mend(disk));
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            BioOp::Flush => return f.write_str("flush"),
            BioOp::Data(Op::Read) => "read",
            BioOp::Data(Op::Write) => "write",
            BioOp::Data(Op::Discard) => "discard",
            BioOp::Data(Op::WriteZeroes) => "write zeros",
        };
        let fua = if self.fua { ", fua" } else { "" };
        write!(f, "{op} {}+{}{fua}", self.sector, self.sectors)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Fault(disk, Fault { on, sectors, times, error }) => {
                let end =
                    if sectors.end == u64::MAX { "end".into() } else { sectors.end.to_string() };
                let times = times.map_or("for good".to_owned(), |n| format!("{n} times"));
                write!(f, "disk {disk} fails {on:?} of {}..{end} {times}: {error}", sectors.start)
            }
            Act::Leave(disk) => write!(f, "disk {disk} goes away"),
            Act::LoseCache(disk) => write!(f, "disk {disk} loses its cache"),
            Act::Stall(disk, wait) => write!(f, "disk {disk} stalls for {wait:?}"),
            Act::Mend(disk) => write!(f, "disk {disk} is mended"),
            Act::Suspend => f.write_str("suspend"),
            Act::Resume => f.write_str("resume"),
            Act::Load(layout) => write!(f, "load `{}`", layout.table),
            Act::LoadWhenSynced(layout) => write!(f, "when in sync, load `{}`", layout.table),
            Act::Message(sector, words) => write!(f, "message to {sector}: {words}"),
            Act::CutPower => f.write_str("power cut"),
        }
    }
}
