//! The kernel's locks.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU32, Ordering};

use lock_api::RawMutex;

use crate::glue;

/// A spin lock that keeps interrupts out: completions take it too.
pub(crate) struct SpinLock(AtomicU32);

/// Whether interrupts were on before. It stays on the CPU, as the thread does.
pub(crate) struct Interrupts {
    flags: usize,
    stays: PhantomData<*mut ()>,
}

// SAFETY: `dmrs_lock` returns when nobody else holds the word, which starts at zero.
unsafe impl RawMutex for SpinLock {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: SpinLock = SpinLock(AtomicU32::new(0));
    type Guard = Interrupts;

    fn lock(&self) -> Interrupts {
        // SAFETY: the word started at zero, and only the lock's functions change it.
        let flags = unsafe { glue::dmrs_lock(self.0.as_ptr()) };
        Interrupts { flags, stays: PhantomData }
    }

    fn try_lock(&self) -> Option<Interrupts> {
        let mut flags = 0;
        // SAFETY: as above.
        let locked = unsafe { glue::dmrs_try_lock(self.0.as_ptr(), &mut flags) } != 0;
        locked.then_some(Interrupts { flags, stays: PhantomData })
    }

    unsafe fn unlock(&self, guard: Interrupts) {
        // SAFETY: the caller holds the lock, and these are the flags that locking it gave.
        unsafe { glue::dmrs_unlock(self.0.as_ptr(), guard.flags) }
    }

    fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}

/// A held mutex of the kernel's, for what may sleep; [`hold`] takes it.
pub(crate) struct Held(u32);

/// The mutex of all disks. It is taken before any of theirs.
pub(crate) const DISKS: u32 = 16;

/// The mutex of those who write to `control`, from a change of the devices until the disks have followed
/// it: where there is no memory for a disk, its device goes again, and the one to be told is the one who
/// made it. It is taken before [`DISKS`], and by nobody who waits for requests.
pub(crate) const CONTROL: u32 = 17;

/// Takes a mutex, by its number: that of a minor, shared with others that are 16 apart, [`DISKS`], or
/// [`CONTROL`].
pub(crate) fn hold(number: u32) -> Held {
    glue::dmrs_mutex_lock(number);
    Held(number)
}

/// The number of a minor's mutex.
pub(crate) fn of_minor(minor: dm_core::Minor) -> u32 {
    minor.get() % DISKS
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: `hold` took it, on this thread: the kernel's threads do not pass these on.
        unsafe { glue::dmrs_mutex_unlock(self.0) }
    }
}
