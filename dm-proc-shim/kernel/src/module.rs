//! The module as a whole: its device mapper, and its disks.

use alloc::boxed::Box;
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use dm_core::{Minor, OutOfMemory, Registry, State, try_box};

use crate::disks::{Disks, Follower};
use crate::glue;
use crate::host::{Kernel, Mapper};
use crate::lock;

/// All that there is while the module is loaded.
pub(crate) struct Module {
    mapper: Mapper,
    /// Used under the mutex [`lock::DISKS`].
    disks: UnsafeCell<Disks>,
}

// SAFETY: the disks are used under their mutex.
unsafe impl Sync for Module {}

static MODULE: AtomicPtr<Module> = AtomicPtr::new(ptr::null_mut());

/// The module, for what C calls between loading and unloading.
pub(crate) fn module() -> &'static Module {
    // SAFETY: C calls nothing that comes here before `dmrs_rs_init` or after `dmrs_rs_exit`.
    unsafe { &*MODULE.load(Ordering::Acquire) }
}

impl Module {
    fn new() -> Result<Module, OutOfMemory> {
        // The names are the built-in ones', so that only memory can be lacking.
        let registry = Registry::with_builtins().map_err(|_| OutOfMemory)?;
        let mapper = Mapper::new(Kernel::new(), registry)?;
        Ok(Module { mapper, disks: UnsafeCell::default() })
    }

    pub(crate) fn mapper(&self) -> &Mapper {
        &self.mapper
    }

    /// Settles all devices, and has the disks follow.
    pub(crate) fn reconcile(&self, follower: Follower) -> Result<(), c_int> {
        // Not under the mutex: what is settled may wait, and calls the host.
        self.mapper.settle_all();
        let _held = lock::hold(lock::DISKS);
        // SAFETY: the mutex is held.
        unsafe { &mut *self.disks.get() }.reconcile(&self.mapper, follower)
    }

    /// Undoes freezes that nobody else undoes, of devices that pass requests on again.
    fn thaw_abandoned(&self) {
        let mut next = Minor::new(0);
        while let Some(minor) = next.and_then(|from| self.mapper.host().shown.abandoned(from)) {
            if self.is_active(minor) {
                self.mapper.host().shown.thaw(minor);
            }
            next = minor.next();
        }
    }

    fn is_active(&self, minor: Minor) -> bool {
        self.mapper.find_minor(minor).is_some_and(|device| device.state() == State::Active)
    }

    /// Removes all devices: nobody has one open, except that they may lie on one another.
    fn remove_all(&self) {
        loop {
            let mut next = Minor::new(0);
            while let Some(device) = next.and_then(|from| self.mapper.first_from(from)) {
                next = device.minor().next();
                let _ = self.mapper.remove(&device);
            }
            let _ = self.reconcile(Follower::Work);
            glue::dmrs_flush();
            let _held = lock::hold(lock::DISKS);
            // SAFETY: the mutex is held.
            if unsafe { &*self.disks.get() }.len() == 0 {
                return;
            }
        }
    }
}

/// The module is being loaded.
#[unsafe(no_mangle)]
extern "C" fn dmrs_rs_init() -> c_int {
    match Module::new().and_then(try_box) {
        Ok(module) => {
            MODULE.store(Box::into_raw(module), Ordering::Release);
            0
        }
        Err(OutOfMemory) => -glue::ENOMEM,
    }
}

/// The module is being unloaded: no disk and no file is open.
#[unsafe(no_mangle)]
extern "C" fn dmrs_rs_exit() {
    module().remove_all();
    // The last changes were notified of: after this nothing is left that could notify again.
    glue::dmrs_stop();
    let module = MODULE.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: it came from a box, in `dmrs_rs_init`, and nobody uses it any more.
    drop(unsafe { Box::from_raw(module) });
}

/// Something was notified of. C calls it where it may sleep.
#[unsafe(no_mangle)]
extern "C" fn dmrs_rs_settle() {
    // Only those who write are told of errors.
    let _ = module().reconcile(Follower::Work);
    if Minor::new(0).and_then(|first| module().mapper.host().shown.abandoned(first)).is_some() {
        glue::dmrs_thaw_later();
    }
}

/// The time has come that a device wanted to be settled at; all are, after this.
#[unsafe(no_mangle)]
extern "C" fn dmrs_rs_wake() {
    module().mapper.host().shown.woken();
}

/// Somebody has to undo freezes. C calls it where it may wait for I/O.
#[unsafe(no_mangle)]
extern "C" fn dmrs_rs_thaw() {
    module().thaw_abandoned();
}
