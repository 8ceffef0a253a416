//! The disk of a mapped device, and its file in /proc.

use alloc::boxed::Box;
use core::cell::UnsafeCell;
use core::ffi::{c_char, c_int, c_void};
use core::fmt::{self, Write};
use core::ptr::{self, NonNull};

use dm_core::{Arc, DeviceName, MappedDevice, Open, OutOfMemory, Sectors, State, Table, try_box};

use crate::glue::{self, GenDisk};
use crate::host::Kernel;
use crate::lock;
use crate::say::say;
use crate::shown::Shown;

/// What the rest of the system sees of a mapped device. It stays where it is in memory: C has its
/// address, from [`Disk::create`] to [`Disk::remove`].
pub(crate) struct Disk {
    device: MappedDevice<Kernel>,
    /// What the nodes are called: they are made anew for a new name.
    name: DeviceName,
    gendisk: *mut GenDisk,
    file: *mut c_void,
    /// Changed under the disk's `open_mutex`, and read while it is open.
    opens: UnsafeCell<Opens>,
    /// Changed under the mutex of its minor.
    bound: UnsafeCell<Bound>,
}

#[derive(Default)]
struct Opens {
    count: u32,
    open: Option<Open<Kernel>>,
}

/// The table that the disk was last made to look like, and its links to what lies below.
#[derive(Default)]
struct Bound {
    /// Keeps the devices open that links are to.
    table: Option<Arc<Table<Kernel>>>,
    /// How many of them have one. The kernel may have no memory for more, until later.
    linked: usize,
    state: Option<State>,
}

// SAFETY: its pointers are to what may be used on any thread, and each cell says what guards it.
unsafe impl Send for Disk {}
// SAFETY: as above.
unsafe impl Sync for Disk {}

impl Disk {
    /// Makes the disk and the file of a device; on an error, its number.
    pub(crate) fn create(device: MappedDevice<Kernel>, shown: &Shown) -> Result<Box<Disk>, c_int> {
        let (name, minor) = (device.name(), device.minor());
        let mut disk = try_box(Disk {
            device,
            name,
            gendisk: ptr::null_mut(),
            file: ptr::null_mut(),
            opens: UnsafeCell::default(),
            bound: UnsafeCell::default(),
        })
        .map_err(|OutOfMemory| glue::ENOMEM)?;
        let place = disk.address();
        let mut error = 0;
        // SAFETY: C passes the address back until the disk is removed, which drops the box.
        disk.gendisk = unsafe { glue::dmrs_disk_create(place, minor.get(), &mut error) };
        if disk.gendisk.is_null() {
            return Err(error.wrapping_neg());
        }
        if shown.add(minor, disk.gendisk).is_err() {
            disk.remove(shown);
            return Err(glue::ENOMEM);
        }
        let mut text = [0u8; 128];
        let name = disk.name.as_str().as_bytes();
        // A name has at most 127 bytes, so that a zero byte is left behind it.
        text.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        // SAFETY: the name ends with a zero byte, and C copies it; the address is as above.
        disk.file = unsafe { glue::dmrs_file_create(text.as_ptr().cast::<c_char>(), place) };
        if disk.file.is_null() {
            disk.remove(shown);
            return Err(glue::ENOMEM);
        }
        // One whose first table came before its disk.
        if let Some(table) = disk.device.table() {
            bind(disk.gendisk, &table);
        }
        Ok(disk)
    }

    /// Takes the file and the disk away. No call of C's is, or gets, into them after this.
    pub(crate) fn remove(self: Box<Disk>, shown: &Shown) {
        let minor = self.device.minor();
        // One that was suspended; nobody has it open, so nothing is mounted, and this does not wait.
        shown.thaw(minor);
        shown.remove(minor);
        // SAFETY: both are there, and are not used after this. The file goes first, since calls
        // that are in it use the disk.
        unsafe {
            if !self.file.is_null() {
                glue::dmrs_file_remove(self.file);
            }
            {
                let _held = lock::hold(lock::of_minor(minor));
                // SAFETY: its mutex is held.
                let bound = &mut *self.bound.get();
                self.unlink(bound);
            }
            glue::dmrs_disk_remove(self.gendisk);
        }
    }

    /// The device that it shows.
    pub(crate) fn device(&self) -> &MappedDevice<Kernel> {
        &self.device
    }

    /// Whether its device is called as it was when the disk was made.
    pub(crate) fn has_its_name(&self) -> bool {
        self.name == self.device.name()
    }

    /// What its device was called when the disk was made.
    pub(crate) fn name(&self) -> &DeviceName {
        &self.name
    }

    /// Makes it look like the live table: its size, its limits, what it lies on.
    pub(crate) fn refresh(&self) {
        let before;
        {
            let _held = lock::hold(lock::of_minor(self.device.minor()));
            // SAFETY: its mutex is held.
            let bound = unsafe { &mut *self.bound.get() };
            let state = self.device.state();
            let table = self.device.table();
            let same_table = match (&table, &bound.table) {
                (Some(now), Some(before)) => Arc::ptr_eq(now, before),
                (None, None) => true,
                _ => false,
            };
            if same_table {
                if bound.state.replace(state).is_some_and(|before| before != state) {
                    // SAFETY: the disk is there.
                    unsafe { glue::dmrs_disk_changed(self.gendisk) };
                }
                return self.link(bound);
            }
            self.unlink(bound);
            bound.state = Some(state);
            before = core::mem::replace(&mut bound.table, table);
            self.link(bound);
            // SAFETY: the disk is there.
            unsafe { glue::dmrs_disk_changed(self.gendisk) };
        }
        drop(before);
    }

    /// Links it to those below that have no link yet, up to one where that fails.
    fn link(&self, bound: &mut Bound) {
        for device in bound.table.iter().flat_map(|table| below(table)).skip(bound.linked) {
            // SAFETY: `bound.table` has them open.
            let error = unsafe { glue::dmrs_disk_link(self.gendisk, device) };
            if error != 0 {
                return say(format_args!(
                    "{}: no link to a device below: error {error}",
                    self.name
                ));
            }
            bound.linked = bound.linked.saturating_add(1);
        }
    }

    fn unlink(&self, bound: &mut Bound) {
        let linked = core::mem::take(&mut bound.linked);
        for device in bound.table.iter().flat_map(|table| below(table)).take(linked) {
            // SAFETY: `bound.table` still has them open.
            unsafe { glue::dmrs_disk_unlink(self.gendisk, device) };
        }
    }

    fn address(&mut self) -> *mut c_void {
        ptr::from_mut(self).cast()
    }
}

/// Gives a disk the size and the limits of a table.
pub(crate) fn bind(gendisk: *mut GenDisk, table: &Table<Kernel>) {
    let bytes = |sectors: Sectors| u32::try_from(sectors.get()).unwrap_or(1).saturating_mul(512);
    let limits = table.limits();
    let limits = glue::Limits {
        logical_block: bytes(limits.logical_block),
        physical_block: bytes(limits.physical_block),
        discards: (!limits.max_discard.is_zero()).into(),
        write_zeroes: (!limits.max_write_zeroes.is_zero()).into(),
    };
    let sectors = table.size().get();
    let mut devices = below(table);
    let mut devices: &mut Below<'_> = &mut devices;
    // SAFETY: the disk is there, or kept, and the table has the devices open; C gives `devices` to
    // `dmrs_rs_next_below` alone, before it returns.
    unsafe { glue::dmrs_disk_bind(gendisk, sectors, &limits, (&raw mut devices).cast()) };
}

type Below<'t> = dyn Iterator<Item = *mut glue::BlockDevice> + 't;

/// What a table lies on, mapped devices by their disks; no memory is needed to tell.
fn below(table: &Table<Kernel>) -> impl Iterator<Item = *mut glue::BlockDevice> {
    table.host_devices().chain(table.claims()).map(|device| device.as_ptr())
}

/// # Safety
/// `devices` must be what `dmrs_disk_bind` was called with, and that be under way.
#[unsafe(no_mangle)]
unsafe extern "C" fn dmrs_rs_next_below(devices: *mut c_void) -> *mut glue::BlockDevice {
    // SAFETY: as `bind` calls it.
    let devices = unsafe { &mut *devices.cast::<&mut Below<'_>>() };
    devices.next().unwrap_or(ptr::null_mut())
}

/// The disk that C was given the address of.
///
/// # Safety
/// The disk must not have been removed.
pub(crate) unsafe fn from_c<'d>(disk: *mut c_void) -> &'d Disk {
    // SAFETY: as the caller promises.
    unsafe { &*disk.cast::<Disk>() }
}

/// # Safety
/// C calls it under the disk's `open_mutex`.
#[unsafe(no_mangle)]
unsafe extern "C" fn dmrs_rs_disk_open(disk: *mut c_void) -> c_int {
    // SAFETY: a disk that is open, or being opened, is there; its mutex is held.
    let (disk, opens) = unsafe {
        let disk = from_c(disk);
        (disk, &mut *disk.opens.get())
    };
    if opens.open.is_none() {
        let Ok(open) = disk.device.open() else {
            return -glue::ENXIO;
        };
        opens.open = Some(open);
    }
    opens.count = opens.count.saturating_add(1);
    0
}

/// # Safety
/// C calls it under the disk's `open_mutex`, once for each open that succeeded.
#[unsafe(no_mangle)]
unsafe extern "C" fn dmrs_rs_disk_release(disk: *mut c_void) {
    // SAFETY: as above.
    let opens = unsafe { &mut *from_c(disk).opens.get() };
    opens.count = opens.count.saturating_sub(1);
    if opens.count == 0 {
        opens.open = None;
    }
}

/// # Safety
/// C calls it for each bio that comes in, in the context of whoever submits it.
#[unsafe(no_mangle)]
unsafe extern "C" fn dmrs_rs_submit(disk: *mut c_void, req: NonNull<glue::Req>) {
    // SAFETY: only an open disk gets bios, and while it is open, `open` is not changed. C forgets
    // the request.
    let (bio, open) =
        unsafe { (crate::bio::KernelBio::from_raw(req), &(*from_c(disk).opens.get()).open) };
    match open {
        Some(open) => open.submit(bio),
        None => drop(bio),
    }
}

/// # Safety
/// `text` must have room for `size` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn dmrs_rs_disk_text(
    disk: *mut c_void,
    kind: u32,
    text: *mut u8,
    size: usize,
) -> usize {
    // SAFETY: C asks while the disk is there, and has the room.
    let (disk, text) = unsafe { (from_c(disk), core::slice::from_raw_parts_mut(text, size)) };
    let mut out = Bounded { text, length: 0 };
    // What has no room is left out.
    let _ = match kind {
        // The name that the node was made by is the one to take it away by.
        0 => out.write_str(disk.name.as_str()),
        1 => match disk.device.uuid() {
            Some(uuid) => out.write_str(uuid.as_str()),
            None => Ok(()),
        },
        _ => out.write_str(if disk.device.state() == State::Suspended { "1" } else { "0" }),
    };
    out.length
}

struct Bounded<'t> {
    text: &'t mut [u8],
    length: usize,
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.text.get_mut(self.length..).unwrap_or_default();
        let place = room.get_mut(..text.len()).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = self.length.saturating_add(text.len());
        Ok(())
    }
}
