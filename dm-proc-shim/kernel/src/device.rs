//! Devices below, opened for the module alone.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};
use core::{fmt, ptr};

use dm_core::{Device, Limits, Mode, OpenError, OutOfMemory, Sectors};

use crate::glue;

/// An open block device.
pub(crate) struct BlockDevice(glue::Backing);

// SAFETY: a `struct block_device` may be used, and closed, on any thread.
unsafe impl Send for BlockDevice {}
// SAFETY: as above.
unsafe impl Sync for BlockDevice {}

impl BlockDevice {
    /// Opens a device by its path, or its numbers: `major:minor`.
    pub(crate) fn open(name: &str, mode: Mode) -> Result<BlockDevice, OpenError> {
        let mut path: Vec<u8> = Vec::new();
        let (mut major, mut minor) = (0, 0);
        if name.starts_with('/') {
            path.try_reserve_exact(name.len().saturating_add(1)).map_err(OutOfMemory::from)?;
            path.extend_from_slice(name.as_bytes());
            path.push(0);
        } else {
            (major, minor) = numbers(name).ok_or(OpenError::BadName {
                expected: "a path that starts with `/`, `major:minor`, or the name of a mapped device",
            })?;
        }
        let path: *const c_char = if path.is_empty() { ptr::null() } else { path.as_ptr().cast() };
        let mut backing =
            glue::Backing { bdev: ptr::null_mut(), handle: ptr::null_mut(), writable: 0 };
        let writable = (mode == Mode::ReadWrite).into();
        // SAFETY: the path is null, or ends with a zero byte; C fills `backing` unless it fails.
        match unsafe { glue::dmrs_backing_open(&mut backing, path, major, minor, writable) } {
            0 => Ok(BlockDevice(backing)),
            error => Err(why(error)),
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut glue::BlockDevice {
        self.0.bdev
    }
}

/// The numbers of `major:minor`, if they fit into Linux's twelve and twenty bits.
fn numbers(name: &str) -> Option<(u32, u32)> {
    let (major, minor) = name.split_once(':')?;
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    (major < 1 << 12 && minor < 1 << 20).then_some((major, minor))
}

fn why(error: c_int) -> OpenError {
    match error.wrapping_neg() {
        glue::ENOENT | glue::ENODEV | glue::ENXIO => OpenError::NotFound,
        glue::EACCES | glue::EPERM => OpenError::Denied,
        glue::EBUSY => OpenError::Busy,
        glue::EROFS => OpenError::ReadOnly,
        glue::ENOTBLK => OpenError::NotADevice,
        glue::ENOMEM => OpenError::OutOfMemory,
        glue::ELOOP => OpenError::Other(
            "it is a mapped device; use its name, or its node in /dev/device-mapper",
        ),
        glue::EOPNOTSUPP => OpenError::Other("zoned devices are not supported"),
        _ => OpenError::Other("the kernel refused to open it"),
    }
}

impl Device for BlockDevice {
    fn size(&self) -> Sectors {
        // SAFETY: it is open.
        Sectors::new(unsafe { glue::dmrs_bdev_sectors(self.as_ptr()) })
    }

    /// The kernel splits what is too long for a device, so there is no longest request.
    fn limits(&self) -> Limits {
        let mut limits = glue::Limits::default();
        // SAFETY: it is open, and C fills the limits.
        unsafe { glue::dmrs_bdev_limits(self.as_ptr(), &mut limits) };
        let any =
            |supported: u32| if supported == 0 { Sectors::ZERO } else { Sectors::new(u64::MAX) };
        Limits {
            logical_block: Sectors::from_bytes(limits.logical_block.into()),
            physical_block: Sectors::from_bytes(limits.physical_block.into()),
            max_transfer: Sectors::new(u64::MAX),
            max_discard: any(limits.discards),
            max_write_zeroes: any(limits.write_zeroes),
        }
    }

    fn is_same(&self, other: &BlockDevice) -> bool {
        self.as_ptr() == other.as_ptr()
    }

    fn write_name(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: it is open, and C fills both numbers.
        unsafe { glue::dmrs_bdev_number(self.as_ptr(), &mut major, &mut minor) };
        write!(out, "{major}:{minor}")
    }
}

impl Drop for BlockDevice {
    fn drop(&mut self) {
        // SAFETY: it is open, and is not used after this. May sleep, as wherever tables are dropped.
        unsafe { glue::dmrs_backing_close(&mut self.0) }
    }
}
