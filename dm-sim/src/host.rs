//! The simulated host, as `dm-core` sees it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use dm_core::{
    Bio, BioFlags, BioOp, FreezeError, Host, Minor, Mode, OpenError, OutOfMemory, Sectors, Time,
};
use parking_lot::Mutex;

use crate::{Disk, SimBio, SimDevice, Work};

/// What `dm-core` sees of a [`Sim`](crate::Sim).
pub struct SimHost {
    pub(crate) state: Mutex<State>,
    /// Sectors of memory that targets hold for jobs of their own.
    pub(crate) buffers: Arc<AtomicU64>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) disks: Vec<Disk>,
    pub(crate) waiting: Vec<Waiting>,
    /// Devices that want to be settled, in the order they said so, each once.
    pub(crate) notified: VecDeque<Minor>,
    pub(crate) now: Time,
    /// Who wants to be settled, and when.
    pub(crate) wakes: Vec<(Time, Minor)>,
    /// How often it was asked for.
    pub(crate) wakes_asked: usize,
    /// Each freeze of a device that was not thawed yet.
    pub(crate) frozen: Vec<Minor>,
    /// The power is off: nothing reaches a disk any more.
    pub(crate) off: bool,
}

/// A request that waits at a disk.
pub(crate) struct Waiting {
    pub(crate) disk: Disk,
    pub(crate) bio: SimBio,
    /// How many writes the disk had carried out when it came.
    pub(crate) begun: u64,
}

/// A request that waits at a disk, as a test sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pending {
    /// The name of the disk.
    pub disk: String,
    /// What is to be done.
    pub op: BioOp,
    /// How.
    pub flags: BioFlags,
    /// Where on the disk.
    pub sector: u64,
    /// How many sectors.
    pub sectors: u64,
}

impl SimHost {
    pub(crate) fn new(disks: Vec<Disk>, now: Time) -> SimHost {
        let state = Mutex::new(State { disks, now, ..State::default() });
        SimHost { state, buffers: Arc::default() }
    }

    /// Lets nothing reach a disk any more; returns what waits there.
    pub(crate) fn turn_off(&self) -> Vec<Waiting> {
        let mut state = self.state.lock();
        state.off = true;
        std::mem::take(&mut state.waiting)
    }
}

impl Host for SimHost {
    type Device = SimDevice;
    type Bio = SimBio;
    type Queue = VecDeque<SimBio>;
    type Lock = parking_lot::RawMutex;
    const COMPLETIONS_SUBMIT: bool = true;

    fn open(&self, name: &str, _mode: Mode) -> Result<SimDevice, OpenError> {
        let state = self.state.lock();
        let disk = state.disks.iter().find(|disk| disk.name() == name);
        disk.map(Disk::open).ok_or(OpenError::NotFound)
    }

    fn freeze(&self, minor: Minor) -> Result<(), FreezeError> {
        self.state.lock().frozen.push(minor);
        Ok(())
    }

    fn thaw(&self, minor: Minor) {
        self.state.lock().frozen.retain(|frozen| *frozen != minor);
    }

    fn submit(&self, bio: SimBio) {
        let disk = bio.disk();
        let begun = disk.writes();
        let mut state = self.state.lock();
        if state.off {
            drop(state);
            // Dropped, a bio fails, and whoever waits for it may come back here.
            return drop(bio);
        }
        state.waiting.push(Waiting { disk, bio, begun });
    }

    fn notify(&self, minor: Minor) {
        self.state.lock().notify(minor);
    }

    fn now(&self) -> Time {
        self.state.lock().now
    }

    fn wake(&self, minor: Minor, at: Time) {
        let mut state = self.state.lock();
        state.wakes_asked += 1;
        if !state.wakes.contains(&(at, minor)) {
            state.wakes.push((at, minor));
        }
    }

    fn buffer(&self, sectors: Sectors) -> Result<SimBio, OutOfMemory> {
        Ok(SimBio::buffer(sectors, self.buffers.clone()))
    }
}

impl State {
    pub(crate) fn notify(&mut self, minor: Minor) {
        if !self.notified.contains(&minor) {
            self.notified.push_back(minor);
        }
    }

    /// Lets the clock show `now`, and has those settled who asked for it by then.
    pub(crate) fn set_clock(&mut self, now: Time) {
        self.now = self.now.max(now);
        let mut wakes = std::mem::take(&mut self.wakes);
        wakes.sort();
        let due = wakes.partition_point(|(at, _)| *at <= self.now);
        for (_, minor) in wakes.drain(..due) {
            self.notify(minor);
        }
        self.wakes = wakes;
    }
}

impl Waiting {
    /// Whether its disk would carry it out now.
    pub(crate) fn is_ready(&self, now: Time) -> bool {
        self.disk.stalled_until() <= now
    }

    pub(crate) fn is_write(&self) -> bool {
        matches!(self.bio.op(), BioOp::Data(op) if op.is_write())
    }

    pub(crate) fn describe(&self) -> Pending {
        Pending {
            disk: self.disk.name().to_owned(),
            op: self.bio.op(),
            flags: self.bio.flags(),
            sector: self.bio.sector().get(),
            sectors: self.bio.sectors().get(),
        }
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pending { disk, op, flags, sector, sectors } = self;
        let fua = flags.contains(BioFlags::FUA);
        let work = Work { op: *op, fua, sector: *sector, sectors: *sectors };
        write!(f, "{work} on {disk}")
    }
}
