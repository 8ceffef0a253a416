//! The kernel as a host of the core.

use core::ptr::NonNull;

use dm_core::{
    DeviceMapper, FreezeError, Host, Minor, Mode, OpenError, OutOfMemory, Sectors, Table, Time,
};

use crate::bio::{BioQueue, KernelBio};
use crate::device::{BlockDevice, Number};
use crate::lock::SpinLock;
use crate::shown::Shown;
use crate::{disk, glue};

/// The kernel's block layer.
pub(crate) struct Kernel {
    lanes: usize,
    pub(crate) shown: Shown,
}

/// The device mapper of this kernel.
pub(crate) type Mapper = DeviceMapper<Kernel>;

/// CPUs beyond these share the counters of others.
const MOST_LANES: usize = 64;

impl Kernel {
    pub(crate) fn new() -> Kernel {
        let lanes = (glue::dmrs_cpus() as usize).clamp(1, MOST_LANES);
        Kernel { lanes, shown: Shown::new() }
    }
}

impl Host for Kernel {
    type Device = BlockDevice;
    type Bio = KernelBio;
    type Queue = BioQueue;
    type Lock = SpinLock;
    /// They come in interrupts.
    const COMPLETIONS_SUBMIT: bool = false;

    fn open(&self, name: &str, mode: Mode) -> Result<BlockDevice, OpenError> {
        let number = Number::of(name)?;
        // A mapped device that was not there, or is not any more, when the core looked for it.
        if number.as_own().is_some() {
            return Err(OpenError::NotFound);
        }
        BlockDevice::open(number, mode)
    }

    fn mapped(&self, name: &str) -> Option<Minor> {
        Number::of(name).ok()?.as_own()
    }

    /// Opens the disk like any device below: nobody else can mount it then, and lsblk shows it.
    fn claim(&self, minor: Minor, mode: Mode) -> Result<Option<BlockDevice>, OpenError> {
        BlockDevice::open(Number::own(minor), mode).map(Some)
    }

    fn bind(&self, minor: Minor, table: &Table<Kernel>) {
        if let Some(disk) = self.shown.get(minor) {
            disk::bind(disk.as_ptr(), table);
        }
    }

    fn freeze(&self, minor: Minor) -> Result<(), FreezeError> {
        let Some(disk) = self.shown.get(minor) else {
            return Ok(());
        };
        // SAFETY: it is kept.
        match unsafe { glue::dmrs_disk_freeze(disk.as_ptr()) } {
            0 => self.shown.frozen(minor),
            _ => return Err(FreezeError),
        }
        Ok(())
    }

    fn thaw(&self, minor: Minor) {
        self.shown.thaw(minor);
    }

    #[inline]
    fn submit(&self, bio: KernelBio) {
        bio.submit();
    }

    /// A work item settles all devices, and then wakes those that wait: see `settle` in c/main.c.
    fn notify(&self, _: Minor) {
        glue::dmrs_notify();
    }

    fn now(&self) -> Time {
        Time::from_nanos(glue::dmrs_now())
    }

    fn wake(&self, minor: Minor, at: Time) {
        self.shown.wake(minor, at);
    }

    fn buffer(&self, sectors: Sectors) -> Result<KernelBio, OutOfMemory> {
        let sectors = u32::try_from(sectors.get()).map_err(|_| OutOfMemory)?;
        let buffer = NonNull::new(glue::dmrs_buffer(sectors)).ok_or(OutOfMemory)?;
        // SAFETY: C has just made it.
        Ok(unsafe { KernelBio::from_raw(buffer) })
    }

    #[inline]
    fn lane(&self) -> usize {
        glue::dmrs_cpu() as usize
    }

    fn lanes(&self) -> usize {
        self.lanes
    }
}
