//! Opens of the files in /proc.

use alloc::boxed::Box;
use core::ffi::{c_char, c_int, c_void};
use core::ptr;

use dm_core::{Change, Minor, Text, try_box};
use dm_proc_shim::{DeviceFile, File, Interrupted, Session, ShimError, Wait};

use crate::disk::{self, Disk};
use crate::disks::Follower;
use crate::glue;
use crate::host::{Kernel, Mapper};
use crate::lock;
use crate::module::module;

/// One open of a file.
struct Opened {
    session: Session<Kernel>,
    /// The device's disk, which stays as long as the file; none for the files of all devices.
    disk: Option<&'static Disk>,
    /// What a reader reads.
    text: Text,
    /// The news that it holds.
    read: u64,
}

/// Has the disks follow what was written.
///
/// Disks come and go by `control` alone, or by the work item. A device's own file must leave that to
/// them: a disk that goes waits for all calls that are in its file.
fn follow(disk: Option<&Disk>) -> Result<(), c_int> {
    match disk {
        Some(disk) => {
            disk.refresh();
            Ok(())
        }
        None => module().reconcile(Follower::Writer),
    }
}

impl Opened {
    /// A number that changes whenever there is news to read.
    fn news(&self) -> u64 {
        match self.session.file() {
            File::Device(device, _) => device.events(),
            File::Targets => 0,
            File::Control => {
                let (mut sum, mut next) = (0u64, Minor::new(0));
                while let Some(device) = next.and_then(|from| module().mapper().first_from(from)) {
                    next = device.minor().next();
                    let of_one =
                        device.events().wrapping_add(u64::from(device.minor().get()) << 32);
                    sum = sum.wrapping_mul(31).wrapping_add(of_one).wrapping_add(1);
                }
                sum
            }
        }
    }

    fn carry_out(
        &mut self,
        act: impl FnOnce(&mut Session<Kernel>, &Mapper, &mut Wait<'_, Kernel>) -> Result<(), ShimError>,
    ) -> c_int {
        let disk = self.disk;
        let take_turn = || disk.is_none().then(|| lock::hold(lock::CONTROL));
        let (mut turn, mut followed) = (take_turn(), Ok(()));
        let mut wait_for = |change: &Change<Kernel>| {
            // Nobody else is held up meanwhile.
            followed = followed.and(follow(disk));
            turn = None;
            let waited = wait(change);
            turn = take_turn();
            waited
        };
        let done = act(&mut self.session, module().mapper(), &mut wait_for);
        followed = followed.and(follow(disk));
        drop(turn);
        match (done, followed) {
            (Ok(()), Ok(())) => 0,
            (Ok(()), Err(error)) => error.wrapping_neg(),
            (Err(error), _) => error.errno().number().wrapping_neg(),
        }
    }
}

/// Waits for a change, unless a signal comes.
fn wait(change: &Change<Kernel>) -> Result<(), Interrupted> {
    loop {
        // Read first: what happens after the question wakes.
        let seen = glue::dmrs_changes();
        if change.is_done() {
            return Ok(());
        }
        if glue::dmrs_wait(seen) != 0 {
            module().mapper().host().shown.abandon(change.device().minor());
            return Err(Interrupted);
        }
    }
}

/// # Safety
/// `disk` must be what a file was created with; the file must stay until the close.
#[unsafe(no_mangle)]
unsafe extern "C" fn dmrs_rs_file_open(disk: *mut c_void, error: *mut c_int) -> *mut c_void {
    let (file, disk) = match disk.addr() {
        1 => (File::Control, None),
        2 => (File::Targets, None),
        _ => {
            // SAFETY: the disk stays longer than its file, which C closes before it removes it.
            let disk = unsafe { disk::from_c(disk) };
            (File::Device(disk.device().clone(), DeviceFile::Proc), Some(disk))
        }
    };
    let mut opened = Opened { session: Session::new(file), disk, text: Text::new(), read: 0 };
    opened.read = opened.news();
    match try_box(opened) {
        Ok(opened) => Box::into_raw(opened).cast(),
        Err(_) => {
            // SAFETY: C reads it where null is returned.
            unsafe { *error = -glue::ENOMEM };
            ptr::null_mut()
        }
    }
}

/// # Safety
/// `opened` must be open, `bytes` must be `length` bytes, and no other thread must be in this open.
#[unsafe(no_mangle)]
unsafe extern "C" fn dmrs_rs_file_write(
    opened: *mut c_void,
    bytes: *const u8,
    length: usize,
) -> c_int {
    // SAFETY: as C promises.
    let (opened, bytes) =
        unsafe { (&mut *opened.cast::<Opened>(), core::slice::from_raw_parts(bytes, length)) };
    opened.carry_out(|session, mapper, wait| session.write(mapper, bytes, wait))
}

/// # Safety
/// As for writing. C reads `bytes` before its next call.
#[unsafe(no_mangle)]
unsafe extern "C" fn dmrs_rs_file_read(
    opened: *mut c_void,
    again: u32,
    bytes: *mut *const c_char,
    length: *mut usize,
) -> c_int {
    // SAFETY: as C promises.
    let opened = unsafe { &mut *opened.cast::<Opened>() };
    if again != 0 {
        opened.read = opened.news();
        match opened.session.file().read(module().mapper()) {
            Ok(text) => opened.text = text,
            Err(error) => return error.errno().number().wrapping_neg(),
        }
    }
    let text = opened.text.as_str();
    // SAFETY: C gives places for both.
    unsafe {
        *bytes = text.as_ptr().cast();
        *length = text.len();
    }
    0
}

/// # Safety
/// `opened` must be open, and no other thread must be in this open.
#[unsafe(no_mangle)]
unsafe extern "C" fn dmrs_rs_file_changed(opened: *mut c_void) -> c_int {
    // SAFETY: as C promises.
    let opened = unsafe { &*opened.cast::<Opened>() };
    (opened.news() != opened.read).into()
}

/// # Safety
/// `opened` must be open, and is not after this.
#[unsafe(no_mangle)]
unsafe extern "C" fn dmrs_rs_file_close(opened: *mut c_void) {
    // SAFETY: it came from a box, in `dmrs_rs_file_open`.
    let mut opened = unsafe { Box::from_raw(opened.cast::<Opened>()) };
    // close(2) is told no error of a file's release: the device's file tells it to those who read.
    opened.carry_out(|session, mapper, wait| session.close(mapper, wait));
}
