//! The simulated host, and what a test does with it.

use std::collections::VecDeque;
use std::sync::Arc;

use dm_core::{
    Bio, BioFlags, BioOp, CreateOptions, DeviceMapper, Host, Limits, MappedDevice, Minor, Mode, Op,
    Open, OpenError, OutOfMemory, Registry, Sector, Sectors, Time,
};
use parking_lot::Mutex;

use crate::{Disk, SimBio, SimDevice, Ticket};

/// A host, its disks, and a device mapper on top of them.
pub struct Sim {
    mapper: DeviceMapper<SimHost>,
}

/// What `dm-core` sees of it.
pub struct SimHost {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    disks: Vec<Disk>,
    pending: Vec<(Disk, SimBio)>,
    notified: VecDeque<Minor>,
    now: Time,
    /// Who wants to be settled, and when.
    wakes: Vec<(Time, Minor)>,
}

/// A request that waits at a disk.
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

    fn submit(&self, bio: SimBio) {
        self.state.lock().pending.push((bio.disk(), bio));
    }

    fn notify(&self, minor: Minor) {
        self.state.lock().notified.push_back(minor);
    }

    fn now(&self) -> Time {
        self.state.lock().now
    }

    fn wake(&self, minor: Minor, at: Time) {
        self.state.lock().wakes.push((at, minor));
    }

    fn buffer(&self, sectors: Sectors) -> Result<SimBio, OutOfMemory> {
        Ok(SimBio::buffer(sectors))
    }
}

impl Default for Sim {
    fn default() -> Sim {
        Sim::new()
    }
}

impl Sim {
    /// One without disks, which knows the built-in target types.
    pub fn new() -> Sim {
        let host = SimHost { state: Arc::default() };
        let registry = Registry::with_builtins().expect("memory for four target types");
        Sim { mapper: DeviceMapper::new(host, registry).expect("memory for a device mapper") }
    }

    /// The device mapper.
    pub fn mapper(&self) -> &DeviceMapper<SimHost> {
        &self.mapper
    }

    /// Adds a disk of that many sectors, filled with zeros.
    pub fn add_disk(&self, name: &str, sectors: u64) -> Disk {
        self.add_disk_with(name, sectors, Limits::NONE)
    }

    /// Adds a disk that is particular about its requests.
    pub fn add_disk_with(&self, name: &str, sectors: u64, limits: Limits) -> Disk {
        let disk = Disk::new(name, sectors, limits);
        self.state().lock().disks.push(disk.clone());
        disk
    }

    /// The disk of that name.
    ///
    /// # Panics
    /// If there is none.
    pub fn disk(&self, name: &str) -> Disk {
        let state = self.state().lock();
        let disk = state.disks.iter().find(|disk| disk.name() == name);
        disk.unwrap_or_else(|| panic!("no disk {name}")).clone()
    }

    /// Starts a read of `sectors` from `sector` on.
    pub fn read(&self, open: &Open<SimHost>, sector: u64, sectors: u64) -> Ticket {
        // Not zeros, so that a read that forgets some of them shows.
        let data = vec![0xaa; sectors as usize * 512];
        self.start(open, BioOp::Data(Op::Read), BioFlags::empty(), sector, sectors, data)
    }

    /// Starts a write of `data`, whole sectors, from `sector` on.
    pub fn write(&self, open: &Open<SimHost>, sector: u64, data: &[u8]) -> Ticket {
        let sectors = data.len() as u64 / 512;
        let op = BioOp::Data(Op::Write);
        self.start(open, op, BioFlags::empty(), sector, sectors, data.to_vec())
    }

    /// Starts a flush.
    pub fn flush(&self, open: &Open<SimHost>) -> Ticket {
        self.start(open, BioOp::Flush, BioFlags::empty(), 0, 0, Vec::new())
    }

    /// Starts any request.
    pub fn start(
        &self,
        open: &Open<SimHost>,
        op: BioOp,
        flags: BioFlags,
        sector: u64,
        sectors: u64,
        data: Vec<u8>,
    ) -> Ticket {
        let (sector, sectors) = (Sector::new(sector), Sectors::new(sectors));
        let (bio, ticket) = SimBio::new(op, flags, sector, sectors, data);
        open.submit(bio);
        self.settle();
        ticket
    }

    /// The requests that wait at disks, in the order they came.
    pub fn pending(&self) -> Vec<Pending> {
        let describe = |(disk, bio): &(Disk, SimBio)| Pending {
            disk: disk.name().to_owned(),
            op: bio.op(),
            flags: bio.flags(),
            sector: bio.sector().get(),
            sectors: bio.sectors().get(),
        };
        self.state().lock().pending.iter().map(describe).collect()
    }

    /// Lets a disk carry out the `n`-th of the [pending](Self::pending) requests.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn complete(&self, n: usize) {
        let (disk, bio) = self.state().lock().pending.remove(n);
        disk.carry_out(bio);
        self.settle();
    }

    /// Loses the `n`-th of the pending requests, as a broken driver would.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn lose(&self, n: usize) {
        let lost = self.state().lock().pending.remove(n);
        drop(lost);
        self.settle();
    }

    /// Lets the disks carry out all requests, in order, until none is left.
    pub fn complete_all(&self) {
        loop {
            let pending = std::mem::take(&mut self.state().lock().pending);
            if pending.is_empty() {
                return self.settle();
            }
            for (disk, bio) in pending {
                disk.carry_out(bio);
            }
            self.settle();
        }
    }

    /// Carries on what waits for devices to drain, as [`Host::notify`] asks for.
    pub fn settle(&self) {
        loop {
            let next = self.state().lock().notified.pop_front();
            let Some(minor) = next else { return };
            self.mapper.settle(minor);
        }
    }

    fn state(&self) -> &Mutex<State> {
        &self.mapper.host().state
    }
}

/// Creates a device, loads a table into it, and binds it.
///
/// # Panics
/// If there is anything wrong with name or table; says what.
pub fn load(sim: &Sim, name: &str, table: &str) -> MappedDevice<SimHost> {
    let device_name = name.parse().unwrap_or_else(|why| panic!("{name}: {why}"));
    let device = sim.mapper.create(device_name, CreateOptions::default());
    let device = device.unwrap_or_else(|why| panic!("{name}: {why}"));
    let mut errors = String::new();
    let loaded = sim.mapper.load(&device, table.as_bytes(), Mode::ReadWrite, &mut |error| {
        errors += &format!("\n{error}");
    });
    loaded.unwrap_or_else(|why| panic!("{name}: {why}{errors}"));
    assert!(device.resume().unwrap_or_else(|why| panic!("{name}: {why}")).is_done());
    sim.settle();
    device
}
