//! Errors as the numbers that the kernel wants.

use dm_core::{IoError, NameError};
use dm_proc_shim::Cause;
use fuser::Errno;

pub(super) fn of_cause(cause: impl Into<Cause>) -> Errno {
    Errno::from_i32(cause.into().errno().number())
}

pub(super) fn of_name(error: NameError) -> Errno {
    match error {
        NameError::TooLong { .. } => Errno::ENAMETOOLONG,
        NameError::Reserved { .. } => Errno::EEXIST,
        _ => Errno::EINVAL,
    }
}

pub(super) fn of_io(error: IoError) -> Errno {
    match error {
        IoError::Misaligned | IoError::OutOfRange => Errno::EINVAL,
        IoError::ReadOnly => Errno::EROFS,
        IoError::NotSupported => Errno::EOPNOTSUPP,
        IoError::NoSpace => Errno::ENOSPC,
        IoError::OutOfMemory => Errno::ENOMEM,
        IoError::NoDevice => Errno::ENODEV,
        _ => Errno::EIO,
    }
}
