//! The kernel as a host of the core.

use dm_core::{DeviceMapper, Host, Minor, Mode, OpenError, OutOfMemory, Sectors, Time};

use crate::bio::{BioQueue, KernelBio};
use crate::device::BlockDevice;
use crate::glue;
use crate::lock::SpinLock;

/// The kernel's block layer.
pub(crate) struct Kernel {
    lanes: usize,
}

/// The device mapper of this kernel.
pub(crate) type Mapper = DeviceMapper<Kernel>;

/// CPUs beyond these share the counters of others.
const MOST_LANES: usize = 64;

impl Kernel {
    pub(crate) fn new() -> Kernel {
        Kernel { lanes: (glue::dmrs_cpus() as usize).clamp(1, MOST_LANES) }
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
        BlockDevice::open(name, mode)
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
        Time::default()
    }

    fn wake(&self, _: Minor, _: Time) {}

    /// Targets with state cannot be loaded in the kernel yet: this is what they lack.
    fn buffer(&self, _: Sectors) -> Result<KernelBio, OutOfMemory> {
        Err(OutOfMemory)
    }

    #[inline]
    fn lane(&self) -> usize {
        glue::dmrs_cpu() as usize
    }

    fn lanes(&self) -> usize {
        self.lanes
    }
}
