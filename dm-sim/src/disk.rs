//! Disks in memory, good ones and bad ones.

use std::fmt;
use std::sync::Arc;

use dm_core::{Bio, BioFlags, BioOp, Device, IoError, Limits, Op, Sectors, Time};
use parking_lot::Mutex;

use crate::{Random, SimBio};

mod faults;
mod media;

pub use faults::{Fault, FaultOn};
use media::Media;

const SECTOR: usize = 512;

/// A disk in memory; clones are the same disk.
///
/// It has a write cache: see [`Sim::cut_power`](crate::Sim::cut_power) for what becomes of it.
#[derive(Clone)]
pub struct Disk {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    limits: Limits,
    state: Mutex<State>,
}

struct State {
    media: Media,
    faults: Vec<Fault>,
    away: bool,
    stalled_until: Time,
    /// Decides how far requests get that fail.
    random: Random,
    counts: DiskCounts,
    opens: usize,
}

/// What a disk has done so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DiskCounts {
    /// Reads that went well.
    pub reads: u64,
    /// Writes, discards and writes of zeros that went well.
    pub writes: u64,
    /// Flushes that went well.
    pub flushes: u64,
    /// Requests that failed because of a [`Fault`], or because the disk was away.
    pub errors: u64,
    /// Writes of which only some of the sectors were carried out.
    pub torn: u64,
    /// Sectors that lost what was written to them last, in power cuts.
    pub lost: u64,
}

impl Disk {
    pub(crate) fn new(name: &str, sectors: u64, limits: Limits) -> Disk {
        let state = State {
            media: Media::new(sectors),
            faults: Vec::new(),
            away: false,
            stalled_until: Time::default(),
            random: Random::new(0),
            counts: DiskCounts::default(),
            opens: 0,
        };
        Disk { shared: Arc::new(Shared { name: name.into(), limits, state: Mutex::new(state) }) }
    }

    /// What tables call it.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The bytes of `count` sectors from `first` on, as they read now.
    ///
    /// # Panics
    /// If they are not on the disk.
    pub fn sectors(&self, first: u64, count: u64) -> Vec<u8> {
        let state = self.shared.state.lock();
        state.media.get(first, count).expect("sectors of the disk").to_vec()
    }

    /// All its bytes, as they read now.
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.state.lock().media.bytes().to_vec()
    }

    /// Changes its bytes behind everybody's back, and for good.
    pub fn fill(&self, bytes: impl FnMut(usize) -> u8) {
        let mut state = self.shared.state.lock();
        let length = state.media.len();
        state.media.replace((0..length).map(bytes).collect());
    }

    /// Changes some sectors behind everybody's back, and for good.
    ///
    /// # Panics
    /// If they are not on the disk.
    pub fn put(&self, first: u64, bytes: &[u8]) {
        let mut state = self.shared.state.lock();
        for (sector, bytes) in (first..).zip(bytes.chunks(SECTOR)) {
            state.media.put(sector, bytes, true);
        }
    }

    /// How many flushes it has carried out.
    pub fn flushes(&self) -> usize {
        self.counts().flushes as usize
    }

    /// What it has done so far.
    pub fn counts(&self) -> DiskCounts {
        self.shared.state.lock().counts
    }

    /// How many have it open.
    pub fn opens(&self) -> usize {
        self.shared.state.lock().opens
    }

    /// Makes every request fail from now on, or none.
    pub fn fail_with(&self, error: Option<IoError>) {
        self.shared.state.lock().faults = error.map(Fault::everything).into_iter().collect();
    }

    /// Makes some requests fail from now on, besides those that do already.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.state.lock().faults.push(fault);
    }

    /// Takes it away, and every request fails; or brings it back as it was. Its cache stays.
    pub fn set_away(&self, away: bool) {
        self.shared.state.lock().away = away;
    }

    /// Lets requests wait until the clock shows `until`.
    pub fn stall(&self, until: Time) {
        self.shared.state.lock().stalled_until = until;
    }

    /// Mends it: no faults, no stall, and not away.
    pub fn mend(&self) {
        let mut state = self.shared.state.lock();
        state.faults.clear();
        state.away = false;
        state.stalled_until = Time::default();
    }

    /// Until when it lets requests wait.
    pub(crate) fn stalled_until(&self) -> Time {
        self.shared.state.lock().stalled_until
    }

    /// What decides from now on how far requests get that fail.
    pub(crate) fn set_random(&self, random: Random) {
        self.shared.state.lock().random = random;
    }

    /// Opens it, as a table that names it does.
    pub fn open(&self) -> SimDevice {
        self.shared.state.lock().opens += 1;
        SimDevice { disk: self.clone() }
    }

    /// How many writes it has carried out: what a flush is about that begins now.
    pub(crate) fn writes(&self) -> u64 {
        self.shared.state.lock().media.writes()
    }

    /// Carries out a request that began after so many writes.
    pub(crate) fn carry_out(&self, bio: SimBio, begun: u64) {
        let result = self.shared.state.lock().carry_out(&bio, begun);
        bio.complete(result);
    }

    /// Carries out some sectors of a write, which has not completed yet.
    pub(crate) fn carry_out_some(&self, bio: &SimBio) {
        let mut state = self.shared.state.lock();
        let end = bio.sector().get().saturating_add(bio.sectors().get());
        if !state.away && end <= (state.media.len() / SECTOR) as u64 {
            state.tear(bio);
        }
    }

    /// Loses what is not sure to last.
    pub(crate) fn cut_power(&self) {
        let state = &mut *self.shared.state.lock();
        state.counts.lost += state.media.cut(&mut state.random);
    }
}

impl State {
    fn carry_out(&mut self, bio: &SimBio, begun: u64) -> Result<(), IoError> {
        let (op, first) = (bio.op(), bio.sector().get());
        let past = first.saturating_add(bio.sectors().get());
        if op != BioOp::Flush && past > (self.media.len() / SECTOR) as u64 {
            return Err(IoError::OutOfRange);
        }
        let away = self.away.then_some(IoError::NoDevice);
        if let Some(error) = away.or_else(|| faults::meet(&mut self.faults, op, &(first..past))) {
            self.counts.errors += 1;
            if !self.away && matches!(op, BioOp::Data(op) if op.is_write()) {
                self.tear(bio);
            }
            return Err(error);
        }
        match op {
            BioOp::Flush => {
                self.media.flush(begun);
                self.counts.flushes += 1;
            }
            BioOp::Data(Op::Read) => {
                let place = self.media.get(first, bio.sectors().get()).unwrap_or_default();
                bio.with_data(|data| data.copy_from_slice(place));
                self.counts.reads += 1;
            }
            BioOp::Data(_) => {
                self.write(bio, |_| true);
                self.counts.writes += 1;
            }
        }
        Ok(())
    }

    /// Carries out some of the sectors of a write.
    fn tear(&mut self, bio: &SimBio) {
        let mut random = self.random.fork();
        let luck = random.below(101);
        self.counts.torn += 1;
        self.write(bio, |_| random.percent(luck));
    }

    fn write(&mut self, bio: &SimBio, mut chosen: impl FnMut(u64) -> bool) {
        let durable = bio.flags().contains(BioFlags::FUA);
        let first = bio.sector().get();
        self.media.begin_write();
        for n in (0..bio.sectors().get()).filter(|n| chosen(*n)) {
            match bio.op() {
                BioOp::Data(Op::Write) => bio.with_data(|data| {
                    let start = n as usize * SECTOR;
                    self.media.put(first + n, &data[start..start + SECTOR], durable);
                }),
                // A disk may do what it likes with what was discarded. This one makes it show.
                BioOp::Data(Op::Discard) => self.media.put(first + n, &[0xdd; SECTOR], durable),
                _ => self.media.put(first + n, &[0; SECTOR], durable),
            }
        }
    }
}

/// A disk that a table has opened.
pub struct SimDevice {
    disk: Disk,
}

impl SimDevice {
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }
}

impl Drop for SimDevice {
    fn drop(&mut self) {
        self.disk.shared.state.lock().opens -= 1;
    }
}

impl Device for SimDevice {
    fn size(&self) -> Sectors {
        Sectors::from_bytes(self.disk.shared.state.lock().media.len() as u64)
    }

    fn limits(&self) -> Limits {
        self.disk.shared.limits
    }

    fn is_same(&self, other: &SimDevice) -> bool {
        Arc::ptr_eq(&self.disk.shared, &other.disk.shared)
    }

    fn write_name(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(self.disk.name())
    }
}
