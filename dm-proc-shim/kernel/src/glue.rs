//! The C half of the module, as `c/dmrs.h` declares it.

use core::ffi::{c_char, c_int, c_void};

use core::sync::atomic::AtomicU32;

use dm_core::{Ended, MAX_DEPTH, Pass};

use crate::host::Kernel;

/// A `struct block_device`.
#[repr(C)]
pub(crate) struct BlockDevice {
    _opaque: [u8; 0],
}

/// A `struct gendisk`.
#[repr(C)]
pub(crate) struct GenDisk {
    _opaque: [u8; 0],
}

/// `struct dmrs_req`: a bio on its way through.
#[repr(C)]
pub(crate) struct Req {
    pub(crate) sector: u64,
    pub(crate) sectors: u64,
    pub(crate) op: u32,
    pub(crate) flags: u32,
    pub(crate) bdev: *mut BlockDevice,
    pub(crate) next: *mut Req,
    /// The first `n_passes` are there.
    pub(crate) passes: [core::mem::MaybeUninit<Pass>; MAX_DEPTH as usize],
    pub(crate) n_passes: u32,
    /// How many children of a buffer have not ended.
    pub(crate) children: AtomicU32,
    /// There if the flags have [`CHILD`].
    pub(crate) ended: core::mem::MaybeUninit<Ended<Kernel>>,
    /// What a child is of, if that is a buffer.
    pub(crate) buffer: *mut Req,
    /// A buffer's.
    pub(crate) memory: *mut u8,
    bytes: u32,
    bio: *mut c_void,
    end_io: *mut c_void,
    private: *mut c_void,
    owner: *mut BlockDevice,
    start: u64,
    pooled: bool,
}

// c/request.c asserts the same of its side.
const _: () = assert!(size_of::<Req>() == 200 && core::mem::offset_of!(Req, n_passes) == 104);
const _: () = assert!(core::mem::offset_of!(Req, memory) == 136);

pub(crate) const OP_READ: u32 = 0;
pub(crate) const OP_WRITE: u32 = 1;
pub(crate) const OP_DISCARD: u32 = 2;
pub(crate) const OP_WRITE_ZEROES: u32 = 3;
pub(crate) const OP_FLUSH: u32 = 4;
pub(crate) const FUA: u32 = 1;
pub(crate) const CHILD: u32 = 2;
pub(crate) const BUFFER: u32 = 4;

/// `struct dmrs_backing`: an open device.
#[repr(C)]
pub(crate) struct Backing {
    pub(crate) bdev: *mut BlockDevice,
    pub(crate) handle: *mut c_void,
    pub(crate) writable: u32,
}

/// `struct dmrs_limits`.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Limits {
    /// In bytes, as is the next.
    pub(crate) logical_block: u32,
    pub(crate) physical_block: u32,
    /// Not 0 if it takes them, as is the next.
    pub(crate) discards: u32,
    pub(crate) write_zeroes: u32,
}

// C does not look into the passes that it keeps, and their size is asserted above.
#[allow(improper_ctypes)]
unsafe extern "C" {
    // request.c; a `Req` may be used until it is submitted or completed.
    pub(crate) fn dmrs_submit(req: *mut Req);
    pub(crate) fn dmrs_split(req: *mut Req, front: u32) -> *mut Req;
    pub(crate) fn dmrs_duplicate(req: *mut Req) -> *mut Req;
    pub(crate) fn dmrs_child(req: *mut Req, op: u32, fua: u32, sectors: u32) -> *mut Req;
    pub(crate) safe fn dmrs_buffer(sectors: u32) -> *mut Req;
    pub(crate) fn dmrs_buffer_free(buffer: *mut Req);
    pub(crate) fn dmrs_fill_zeros(req: *mut Req);
    pub(crate) fn dmrs_complete(req: *mut Req, status: u32);

    // backing.c; a `BlockDevice` may be used while its `Backing`, or its disk, is there.
    pub(crate) fn dmrs_backing_find(path: *const c_char, major: *mut u32, minor: *mut u32)
    -> c_int;
    pub(crate) fn dmrs_backing_open(
        backing: *mut Backing,
        major: u32,
        minor: u32,
        writable: u32,
    ) -> c_int;
    pub(crate) fn dmrs_backing_close(backing: *mut Backing);
    pub(crate) fn dmrs_bdev_sectors(bdev: *mut BlockDevice) -> u64;
    pub(crate) fn dmrs_bdev_number(bdev: *mut BlockDevice, major: *mut u32, minor: *mut u32);
    pub(crate) fn dmrs_bdev_limits(bdev: *mut BlockDevice, limits: *mut Limits);

    // disk.c; a `GenDisk` may be used from `create` to `remove`.
    pub(crate) fn dmrs_disk_create(
        disk: *mut c_void,
        minor: u32,
        error: *mut c_int,
    ) -> *mut GenDisk;
    pub(crate) fn dmrs_disk_remove(disk: *mut GenDisk);
    pub(crate) fn dmrs_disk_bind(
        disk: *mut GenDisk,
        sectors: u64,
        limits: *const Limits,
        below: *mut c_void,
    );
    pub(crate) fn dmrs_disk_changed(disk: *mut GenDisk);
    pub(crate) fn dmrs_disk_get(disk: *mut GenDisk);
    pub(crate) fn dmrs_disk_put(disk: *mut GenDisk);
    pub(crate) fn dmrs_disk_freeze(disk: *mut GenDisk) -> c_int;
    pub(crate) fn dmrs_disk_thaw(disk: *mut GenDisk);
    pub(crate) safe fn dmrs_own_major() -> u32;
    pub(crate) fn dmrs_disk_link(disk: *mut GenDisk, below: *mut BlockDevice) -> c_int;
    pub(crate) fn dmrs_disk_unlink(disk: *mut GenDisk, below: *mut BlockDevice);

    // files.c
    pub(crate) fn dmrs_file_create(name: *const c_char, disk: *mut c_void) -> *mut c_void;
    pub(crate) fn dmrs_file_remove(entry: *mut c_void);

    // memory.c
    pub(crate) fn dmrs_alloc(size: usize, align: usize) -> *mut u8;
    pub(crate) fn dmrs_free(memory: *mut u8);

    // main.c
    pub(crate) fn dmrs_lock(lock: *mut u32) -> usize;
    pub(crate) fn dmrs_try_lock(lock: *mut u32, flags: *mut usize) -> c_int;
    pub(crate) fn dmrs_unlock(lock: *mut u32, flags: usize);
    pub(crate) safe fn dmrs_mutex_lock(number: u32);
    pub(crate) fn dmrs_mutex_unlock(number: u32);
    pub(crate) safe fn dmrs_cpu() -> u32;
    pub(crate) safe fn dmrs_cpus() -> u32;
    pub(crate) safe fn dmrs_notify();
    pub(crate) safe fn dmrs_now() -> u64;
    pub(crate) safe fn dmrs_wake_in(nanoseconds: u64);
    pub(crate) safe fn dmrs_stop();
    pub(crate) safe fn dmrs_flush();
    pub(crate) safe fn dmrs_changes() -> u64;
    pub(crate) safe fn dmrs_wait(seen: u64) -> c_int;
    pub(crate) safe fn dmrs_thaw_later();
    pub(crate) fn dmrs_say(text: *const u8, length: usize);
    pub(crate) fn dmrs_panic(text: *const u8, length: usize) -> !;
}

pub(crate) const ENOENT: c_int = 2;
pub(crate) const ENXIO: c_int = 6;
pub(crate) const ENOMEM: c_int = 12;
pub(crate) const EACCES: c_int = 13;
pub(crate) const EBUSY: c_int = 16;
pub(crate) const ENODEV: c_int = 19;
pub(crate) const ENOTBLK: c_int = 15;
pub(crate) const EROFS: c_int = 30;
pub(crate) const EOPNOTSUPP: c_int = 95;
pub(crate) const EPERM: c_int = 1;
