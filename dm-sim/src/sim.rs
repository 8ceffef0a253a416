//! The simulator, and what a test does with it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use dm_core::{
    BioFlags, BioOp, CreateOptions, DeviceMapper, Limits, MappedDevice, Minor, Mode, Op, Open,
    Registry, Sector, Sectors, Time,
};

use crate::{Disk, Pending, Random, SimBio, SimHost, Ticket};

/// A host, its disks, its clock, and a device mapper on top of them.
///
/// Nothing happens by itself: disks wait to be told to [carry out](Self::carry_out) a request,
/// devices to be [settled](Self::settle), and the clock to be [moved](Self::advance_to).
pub struct Sim {
    mapper: DeviceMapper<SimHost>,
}

impl Default for Sim {
    fn default() -> Sim {
        Sim::new()
    }
}

/// The power goes off: a target with state that still works keeps what it works on, and its host, until
/// its jobs have ended.
impl Drop for Sim {
    fn drop(&mut self) {
        let waiting = self.host().turn_off();
        drop(waiting);
    }
}

impl Sim {
    /// One without disks, which knows the built-in target types.
    pub fn new() -> Sim {
        let registry = Registry::with_builtins().expect("memory for the built-in target types");
        Sim::with(registry, Vec::new(), Time::default())
    }

    /// One that knows these target types and has these disks, as another one left them perhaps, and
    /// a clock that shows `now`.
    pub fn with(registry: Registry, disks: Vec<Disk>, now: Time) -> Sim {
        let host = SimHost::new(disks, now);
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
        self.host().state.lock().disks.push(disk.clone());
        disk
    }

    /// All its disks, in the order they were added.
    pub fn disks(&self) -> Vec<Disk> {
        self.host().state.lock().disks.clone()
    }

    /// The disk of that name.
    ///
    /// # Panics
    /// If there is none.
    pub fn disk(&self, name: &str) -> Disk {
        let disks = self.disks().into_iter().find(|disk| disk.name() == name);
        disks.unwrap_or_else(|| panic!("no disk {name}"))
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

    /// Starts any request, and [settles](Self::settle).
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
        self.host().state.lock().waiting.iter().map(|waiting| waiting.describe()).collect()
    }

    /// Lets a disk carry out the `n`-th of the [pending](Self::pending) requests, and
    /// [settles](Self::settle).
    ///
    /// # Panics
    /// If there are not so many.
    pub fn complete(&self, n: usize) {
        self.carry_out(n);
        self.settle();
    }

    /// Lets a disk carry out the `n`-th of the pending requests, and no more than that.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn carry_out(&self, n: usize) {
        let waiting = self.host().state.lock().waiting.remove(n);
        waiting.disk.carry_out(waiting.bio, waiting.begun);
    }

    /// Loses the `n`-th of the pending requests, as a broken driver would.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn lose(&self, n: usize) {
        let lost = self.host().state.lock().waiting.remove(n);
        drop(lost);
        self.settle();
    }

    /// Lets the disks carry out all requests, in order, until none is left.
    pub fn complete_all(&self) {
        loop {
            let all = std::mem::take(&mut self.host().state.lock().waiting);
            if all.is_empty() {
                return self.settle();
            }
            for waiting in all {
                waiting.disk.carry_out(waiting.bio, waiting.begun);
            }
            self.settle();
        }
    }

    /// Carries on what waits for devices to drain, as [`Host::notify`](dm_core::Host::notify) asks
    /// for, until nothing is left of it.
    pub fn settle(&self) {
        while self.settle_one() {}
    }

    /// Settles the device that has waited for it longest; returns whether there was one.
    pub fn settle_one(&self) -> bool {
        let next = self.host().state.lock().notified.pop_front();
        if let Some(minor) = next {
            self.mapper.settle(minor);
        }
        next.is_some()
    }

    /// What the clock shows.
    pub fn now(&self) -> Time {
        self.host().state.lock().now
    }

    /// The first moment that a target asked to be woken at; `None` if there is none.
    pub fn next_wake(&self) -> Option<Time> {
        self.host().state.lock().wakes.iter().map(|(at, _)| *at).min()
    }

    /// How often targets have asked to be woken.
    pub fn wakes_asked(&self) -> usize {
        self.host().state.lock().wakes_asked
    }

    /// The devices whose users have come to rest; twice, if they were to do so twice.
    pub fn frozen(&self) -> Vec<Minor> {
        self.host().state.lock().frozen.clone()
    }

    /// Lets the clock show `now`, unless that would turn it back, and wakes who asked for it; they
    /// are yet to be [settled](Self::settle).
    pub fn advance_to(&self, now: Time) {
        self.host().state.lock().set_clock(now);
    }

    /// Lets time pass, and settles.
    pub fn advance(&self, by: Duration) {
        self.advance_to(self.now().after(by));
        self.settle();
    }

    /// How many sectors of memory targets hold for jobs of their own.
    pub fn buffered_sectors(&self) -> u64 {
        self.host().buffers.load(Ordering::Relaxed)
    }

    /// Turns the power off. What waits at disks is carried out in parts, or not at all; caches are
    /// lost, or parts of them. From then on every request fails.
    ///
    /// To go on, make another one [with](Self::with) the same disks.
    pub fn cut_power(&self, random: &mut Random) {
        let (waiting, disks) = (self.host().turn_off(), self.disks());
        for waiting in waiting.iter().filter(|waiting| waiting.is_write()) {
            if random.coin() {
                waiting.disk.carry_out_some(&waiting.bio);
            }
        }
        for disk in disks {
            disk.set_random(random.fork());
            disk.cut_power();
        }
        drop(waiting);
    }

    /// How many requests wait at disks.
    pub(crate) fn waiting_count(&self) -> usize {
        self.host().state.lock().waiting.len()
    }

    pub(crate) fn host(&self) -> &SimHost {
        self.mapper.host()
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

#[cfg(test)]
mod tests;
