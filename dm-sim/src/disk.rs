//! Disks in memory.

use std::fmt;
use std::sync::Arc;

use dm_core::{Bio, BioOp, Device, IoError, Limits, Op, Sectors};
use parking_lot::Mutex;

use crate::SimBio;

const SECTOR: usize = 512;

/// A disk in memory; clones are the same disk.
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
    data: Vec<u8>,
    flushes: usize,
    fails_with: Option<IoError>,
    opens: usize,
}

impl Disk {
    pub(crate) fn new(name: &str, sectors: u64, limits: Limits) -> Disk {
        let data = vec![0; sectors as usize * SECTOR];
        let state = Mutex::new(State { data, flushes: 0, fails_with: None, opens: 0 });
        Disk { shared: Arc::new(Shared { name: name.into(), limits, state }) }
    }

    /// The bytes of `count` sectors from `first` on.
    pub fn sectors(&self, first: u64, count: u64) -> Vec<u8> {
        let start = first as usize * SECTOR;
        self.shared.state.lock().data[start..start + count as usize * SECTOR].to_vec()
    }

    /// All its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.state.lock().data.clone()
    }

    /// Changes its bytes behind everybody's back.
    pub fn fill(&self, bytes: impl FnMut(usize) -> u8) {
        let mut state = self.shared.state.lock();
        let length = state.data.len();
        state.data = (0..length).map(bytes).collect();
    }

    /// How many flushes it has carried out.
    pub fn flushes(&self) -> usize {
        self.shared.state.lock().flushes
    }

    /// How many have it open.
    pub fn opens(&self) -> usize {
        self.shared.state.lock().opens
    }

    /// Makes every request fail from now on, or none.
    pub fn fail_with(&self, error: Option<IoError>) {
        self.shared.state.lock().fails_with = error;
    }

    pub(crate) fn name(&self) -> &str {
        &self.shared.name
    }

    /// Opens it, as a table that names it does.
    pub fn open(&self) -> SimDevice {
        self.shared.state.lock().opens += 1;
        SimDevice { disk: self.clone() }
    }

    pub(crate) fn carry_out(&self, bio: SimBio) {
        let result = self.try_carry_out(&bio);
        bio.complete(result);
    }

    fn try_carry_out(&self, bio: &SimBio) -> Result<(), IoError> {
        let mut state = self.shared.state.lock();
        if let Some(error) = state.fails_with {
            return Err(error);
        }
        let BioOp::Data(op) = bio.op() else {
            state.flushes += 1;
            return Ok(());
        };
        let start = bio.sector().get() as usize * SECTOR;
        let end = start + bio.sectors().get() as usize * SECTOR;
        let place = state.data.get_mut(start..end).ok_or(IoError::OutOfRange)?;
        match op {
            Op::Read => bio.with_data(|data| data.copy_from_slice(place)),
            Op::Write => bio.with_data(|data| place.copy_from_slice(data)),
            // A disk may do what it likes with what was discarded. This one makes it show.
            Op::Discard => place.fill(0xdd),
            Op::WriteZeroes => place.fill(0),
        }
        Ok(())
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
        Sectors::from_bytes(self.disk.shared.state.lock().data.len() as u64)
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
