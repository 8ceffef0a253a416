//! Devices below, opened for the module alone.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};
use core::{fmt, ptr};

use dm_core::{Device, Limits, Minor, Mode, OpenError, OutOfMemory, Sectors};

use crate::glue;

/// An open block device.
pub(crate) struct BlockDevice(glue::Backing);

// SAFETY: a `struct block_device` may be used, and closed, on any thread.
unsafe impl Send for BlockDevice {}
// SAFETY: as above.
unsafe impl Sync for BlockDevice {}

impl BlockDevice {
    /// Opens a device by its numbers.
    pub(crate) fn open(number: Number, mode: Mode) -> Result<BlockDevice, OpenError> {
        let mut backing =
            glue::Backing { bdev: ptr::null_mut(), handle: ptr::null_mut(), writable: 0 };
        let writable = (mode == Mode::ReadWrite).into();
        // SAFETY: C fills `backing` unless it fails.
        match unsafe { glue::dmrs_backing_open(&mut backing, number.major, number.minor, writable) }
        {
            0 => Ok(BlockDevice(backing)),
            error => Err(why(error)),
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut glue::BlockDevice {
        self.0.bdev
    }
}

/// What a block device is known by.
#[derive(Clone, Copy)]
pub(crate) struct Number {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl Number {
    /// That of the device that a table calls `name`: a path, or `major:minor`.
    pub(crate) fn of(name: &str) -> Result<Number, OpenError> {
        if !name.starts_with('/') {
            return Number::parse(name).ok_or(OpenError::NotFound);
        }
        let mut path: Vec<u8> = Vec::new();
        path.try_reserve_exact(name.len().saturating_add(1)).map_err(OutOfMemory::from)?;
        path.extend_from_slice(name.as_bytes());
        path.push(0);
        let mut number = Number { major: 0, minor: 0 };
        let path = path.as_ptr().cast::<c_char>();
        // SAFETY: the path ends with a zero byte, and C fills both numbers unless it fails.
        match unsafe { glue::dmrs_backing_find(path, &mut number.major, &mut number.minor) } {
            0 => Ok(number),
            error => Err(why(error)),
        }
    }

    /// The numbers of `major:minor`, if they fit into Linux's twelve and twenty bits.
    fn parse(name: &str) -> Option<Number> {
        let (major, minor) = name.split_once(':')?;
        let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
        (major < 1 << 12 && minor < 1 << 20).then_some(Number { major, minor })
    }

    /// That of the disk of a mapped device.
    pub(crate) fn own(minor: Minor) -> Number {
        Number { major: glue::dmrs_own_major(), minor: minor.get() }
    }

    /// The mapped device whose disk it is of.
    pub(crate) fn as_own(self) -> Option<Minor> {
        Minor::new(self.minor.into()).filter(|_| self.major == glue::dmrs_own_major())
    }
}

fn why(error: c_int) -> OpenError {
    match error.wrapping_neg() {
        glue::ENOENT | glue::ENODEV | glue::ENXIO => OpenError::NotFound,
        glue::EACCES | glue::EPERM => OpenError::Denied,
        glue::EBUSY => OpenError::Busy,
        glue::EROFS => OpenError::ReadOnly,
        glue::ENOTBLK => OpenError::NotADevice,
        glue::ENOMEM => OpenError::OutOfMemory,
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
