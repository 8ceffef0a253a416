//! Live figures: what was asked of each device, and of each line of its table.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use dm_core::{BioOp, MappedDevice, Minor, Op, Open};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::bio::UserBio;
use super::{Mapper, UserHost};

mod counts;

use counts::Block;
pub(crate) use counts::Counted;

/// What was asked, since the device was first used, or since its table's lines were other ones.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Figures {
    /// How many reads there were.
    pub reads: u64,
    /// How many writes.
    pub writes: u64,
    /// How many discards, writes of zeros and flushes.
    pub others: u64,
    /// Sectors that were read.
    pub sectors_read: u64,
    /// Sectors that were written.
    pub sectors_written: u64,
    /// How many requests failed.
    pub errors: u64,
    /// How many are on their way.
    pub in_flight: u64,
    /// Nanoseconds that all of them took, one after the other.
    pub nanoseconds: u64,
    /// How many took less than 2 microseconds, less than 4, less than 8, and so on; the last counts
    /// all that took longer.
    pub latency: Vec<u64>,
}

/// The figures of a device. A request counts for the line in which it begins.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct DeviceFigures {
    /// What the device is called.
    pub name: String,
    /// All of it.
    pub device: Figures,
    /// Each line of the table; none of a table of more than [`MAX_LINES`](Self::MAX_LINES).
    pub lines: Vec<Figures>,
}

impl DeviceFigures {
    /// Tables with more lines than these are only counted as a whole.
    pub const MAX_LINES: usize = 1024;
}

impl Figures {
    /// How many requests have ended.
    pub fn requests(&self) -> u64 {
        self.reads + self.writes + self.others
    }

    fn add(&mut self, other: &Figures) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.others += other.others;
        self.sectors_read += other.sectors_read;
        self.sectors_written += other.sectors_written;
        self.errors += other.errors;
        self.in_flight += other.in_flight;
        self.nanoseconds += other.nanoseconds;
        self.latency.resize(counts::BUCKETS, 0);
        for (sum, more) in self.latency.iter_mut().zip(&other.latency) {
            *sum += more;
        }
    }
}

/// The counters of all devices.
#[derive(Default)]
pub(crate) struct Registry {
    devices: Mutex<HashMap<Minor, Device>>,
}

#[derive(Default)]
struct Device {
    blocks: Vec<Arc<Block>>,
    /// What was counted for lines that it has no longer.
    past: Figures,
}

impl Device {
    /// Sums up the blocks that nobody counts with any more, of other lines than these.
    fn fold(&mut self, starts: &[u64]) {
        let Device { blocks, past } = self;
        blocks.retain(|block| {
            let is_past = Arc::strong_count(block) == 1 && block.starts() != starts;
            if is_past {
                block.figures().iter().for_each(|line| past.add(line));
            }
            !is_past
        });
    }
}

impl Registry {
    /// What to count requests to an open device with.
    pub(crate) fn counter(self: &Arc<Registry>, open: &Open<UserHost>) -> Counter {
        let device = open.device();
        let mut counter = Counter {
            registry: self.clone(),
            minor: device.minor(),
            events: device.events(),
            block: Arc::new(Block::new(starts(device))),
        };
        counter.register();
        counter
    }

    /// A device is gone.
    pub(crate) fn forget(&self, minor: Minor) {
        self.devices.lock().remove(&minor);
    }

    /// What was counted for a device.
    pub(crate) fn figures(&self, device: &MappedDevice<UserHost>) -> DeviceFigures {
        let starts = starts(device);
        let mut figures = DeviceFigures { name: device.name().to_string(), ..Default::default() };
        figures.lines.resize(starts.len(), Figures::default());
        let devices = self.devices.lock();
        let Some(known) = devices.get(&device.minor()) else {
            return figures;
        };
        figures.device.add(&known.past);
        for block in &known.blocks {
            let lines = block.figures();
            lines.iter().for_each(|line| figures.device.add(line));
            if block.starts() == &starts[..] {
                for (sum, line) in figures.lines.iter_mut().zip(&lines) {
                    sum.add(line);
                }
            }
        }
        figures
    }
}

/// Counts requests, on cache lines of its own: each front end has one for each of its connections.
pub(crate) struct Counter {
    registry: Arc<Registry>,
    minor: Minor,
    /// The event number of the device whose table the block is of.
    events: u64,
    block: Arc<Block>,
}

impl Counter {
    /// Has a request counted that is about to be submitted to `open`.
    #[inline]
    pub(crate) fn count(&mut self, open: &Open<UserHost>, bio: UserBio) -> UserBio {
        if open.device().events() != self.events {
            self.look_again(open.device());
        }
        let counted = Counted::new(&self.block, &bio, Instant::now());
        bio.with_counted(counted)
    }

    /// The table may be another one.
    #[cold]
    fn look_again(&mut self, device: &MappedDevice<UserHost>) {
        self.events = device.events();
        let starts = starts(device);
        if self.block.starts() != &starts[..] {
            self.block = Arc::new(Block::new(starts));
            self.register();
        }
    }

    /// Adds the block to those of the device. One that nobody counts with any more, for the same
    /// lines, takes its place with what it has counted: a thousand connections are one block.
    fn register(&mut self) {
        let mut devices = self.registry.devices.lock();
        let device = devices.entry(self.minor).or_default();
        device.fold(self.block.starts());
        let blocks = &mut device.blocks;
        let same = |block: &&Arc<Block>| {
            block.starts() == self.block.starts() && Arc::strong_count(block) == 1
        };
        match blocks.iter().find(same) {
            Some(idle) => self.block = idle.clone(),
            None => blocks.push(self.block.clone()),
        }
    }
}

/// The kinds of figures that a request adds to.
fn is_read(op: BioOp) -> Option<bool> {
    match op {
        BioOp::Data(Op::Read) => Some(true),
        BioOp::Data(Op::Write) => Some(false),
        _ => None,
    }
}

/// Where the lines of a device's table begin; none where they are too many.
fn starts(device: &MappedDevice<UserHost>) -> Box<[u64]> {
    match device.table() {
        Some(table) if table.len() <= DeviceFigures::MAX_LINES => {
            table.lines().map(|line| line.range.start().get()).collect()
        }
        _ => Box::default(),
    }
}

impl UserHost {
    /// What was asked of a device by NBD clients, virtual machines, and users of the files.
    pub fn figures(&self, device: &MappedDevice<UserHost>) -> DeviceFigures {
        self.figures.figures(device)
    }

    /// What to count requests to an open device with.
    pub(crate) fn counter(&self, open: &Open<UserHost>) -> Counter {
        self.figures.counter(open)
    }

    /// Has the figures of devices forgotten that are gone.
    pub(super) fn forget_figures(mapper: &Arc<Mapper>) {
        let weak = Arc::downgrade(mapper);
        mapper.host().on_change(move |minor| {
            if let Some(mapper) = weak.upgrade()
                && mapper.find_minor(minor).is_none()
            {
                mapper.host().figures.forget(minor);
            }
        });
    }
}

#[cfg(test)]
mod tests;
