//! A host that does nothing, so that what is measured is the device mapper's own work.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use dm_core::{
    Bio, BioFlags, BioOp, CreateOptions, Device, DeviceMapper, Ended, Host, IoError, Limits,
    MappedDevice, Minor, Mode, Op, OpenError, OutOfMemory, Pass, Registry, Sector, Sectors, Time,
};

/// Opens anything, and carries out nothing.
pub struct IdleHost {
    completes: bool,
    /// Of the sectors that bios were sent to. One thread submits, so that it need not be locked.
    sum: AtomicU64,
}

/// A disk of 2^40 sectors.
pub struct IdleDisk;

/// A read without data.
pub struct IdleBio {
    sector: Sector,
    sectors: Sectors,
    pass: Option<Pass>,
}

impl IdleHost {
    /// The sum of the sectors that bios were sent to, since it was last asked.
    pub fn take_sum(&self) -> u64 {
        self.sum.swap(0, Ordering::Relaxed)
    }
}

impl IdleBio {
    /// A read of `sectors` from `sector` on.
    pub fn read(sector: u64, sectors: u64) -> IdleBio {
        IdleBio { sector: Sector::new(sector), sectors: Sectors::new(sectors), pass: None }
    }
}

impl Host for IdleHost {
    type Device = IdleDisk;
    type Bio = IdleBio;
    type Queue = VecDeque<IdleBio>;
    type Lock = parking_lot::RawMutex;
    const COMPLETIONS_SUBMIT: bool = true;

    fn open(&self, _name: &str, _mode: Mode) -> Result<IdleDisk, OpenError> {
        Ok(IdleDisk)
    }

    #[inline]
    fn submit(&self, bio: IdleBio) {
        let sum = self.sum.load(Ordering::Relaxed).wrapping_add(bio.sector.get());
        self.sum.store(sum, Ordering::Relaxed);
        if !self.completes {
            // On its way for good.
            std::mem::forget(bio);
        }
    }

    fn notify(&self, _minor: Minor) {}

    fn now(&self) -> Time {
        Time::default()
    }

    fn wake(&self, _minor: Minor, _at: Time) {}

    fn buffer(&self, sectors: Sectors) -> Result<IdleBio, OutOfMemory> {
        Ok(IdleBio::read(0, sectors.get()))
    }
}

impl Device for IdleDisk {
    fn size(&self) -> Sectors {
        Sectors::new(1 << 40)
    }

    fn limits(&self) -> Limits {
        Limits::NONE
    }

    fn is_same(&self, _other: &IdleDisk) -> bool {
        true
    }

    fn write_name(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("disk")
    }
}

impl Bio for IdleBio {
    type Host = IdleHost;

    fn op(&self) -> BioOp {
        BioOp::Data(Op::Read)
    }

    fn flags(&self) -> BioFlags {
        BioFlags::empty()
    }

    fn sector(&self) -> Sector {
        self.sector
    }

    fn sectors(&self) -> Sectors {
        self.sectors
    }

    fn split(&mut self, front: Sectors) -> Result<IdleBio, OutOfMemory> {
        let part = IdleBio { sector: self.sector, sectors: front, pass: self.pass.clone() };
        self.sector = self.sector.saturating_add(front);
        self.sectors = self.sectors.saturating_sub(front);
        Ok(part)
    }

    fn duplicate(&self) -> Result<IdleBio, OutOfMemory> {
        Ok(IdleBio { sector: self.sector, sectors: self.sectors, pass: self.pass.clone() })
    }

    fn child(
        &self,
        _op: BioOp,
        _flags: BioFlags,
        _sectors: Sectors,
        ended: Ended<IdleHost>,
    ) -> Result<IdleBio, Ended<IdleHost>> {
        Err(ended)
    }

    fn with_bytes<T>(&mut self, _work: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        None
    }

    fn set_sector(&mut self, sector: Sector) {
        self.sector = sector;
    }

    fn set_device(&mut self, _device: &IdleDisk) {}

    fn carry(&mut self, pass: Pass) {
        self.pass = Some(pass);
    }

    fn fill_zeros(&mut self) {}

    fn complete(self, _result: Result<(), IoError>) {}
}

/// A device mapper on an idle host, which completes bios at once, or never.
///
/// # Panics
/// If there is no memory.
pub fn mapper(completes: bool) -> DeviceMapper<IdleHost> {
    let registry = Registry::with_builtins().expect("memory for four target types");
    DeviceMapper::new(IdleHost { completes, sum: AtomicU64::new(0) }, registry)
        .expect("memory for a device mapper")
}

/// Text of a table of `lines` lines of 1,024 sectors each, last one first on the disk.
pub fn linear_lines(lines: u64) -> String {
    use fmt::Write;
    let mut text = String::new();
    for n in 0..lines {
        let _ = writeln!(text, "{} 1024 linear disk {}", n * 1024, (lines - 1 - n) * 1024);
    }
    text
}

/// Where [`linear_lines`] puts `sector`.
pub fn expected(lines: u64, sector: u64) -> u64 {
    (lines - 1 - sector / 1024) * 1024 + sector % 1024
}

/// Creates a device with a table, live.
///
/// # Panics
/// If the table is refused.
pub fn device(mapper: &DeviceMapper<IdleHost>, table: &str) -> MappedDevice<IdleHost> {
    let name = "bench".parse().expect("a good name");
    let device = mapper.create(name, CreateOptions::default()).expect("a device");
    bind(mapper, &device, table);
    device
}

/// Loads a table, and makes it the live one.
///
/// # Panics
/// If the table is refused.
pub fn bind(mapper: &DeviceMapper<IdleHost>, device: &MappedDevice<IdleHost>, table: &str) {
    let mut refused = |error: dm_core::LoadError<'_>| panic!("{error}");
    mapper.load(device, table.as_bytes(), Mode::ReadWrite, &mut refused).expect("a good table");
    assert!(device.resume().expect("a table to bind").is_done());
}

#[cfg(test)]
mod tests;
