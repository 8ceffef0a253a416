//! Why something that was written was not done.

use core::fmt;

use dm_core::table_text::{Position, TextReason};
use dm_core::targets::MessageError;
use dm_core::{
    ChangeError, CreateError, FreezeError, LoadDeviceError, OutOfMemory, RemoveError, RenameError,
    SendError, Text,
};

/// Why something that was written was not done, and which word is to blame.
#[derive(Debug)]
pub struct ShimError {
    /// Where the word stands in what was written through one open; `None` where no word is to
    /// blame, and for tables, whose errors know their places themselves.
    pub at: Option<Position>,
    /// What is wrong.
    pub cause: Cause,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The words are no command.
    #[error("{}", .0.as_str())]
    Words(Text),
    /// What was written is not text.
    #[error(transparent)]
    Text(#[from] TextReason),
    /// There is no such device.
    #[error("there is no device `{}`", .name.as_str())]
    NoSuchDevice {
        /// The name that it would have.
        name: Text,
    },
    /// There is no such file.
    #[error("there is no such file")]
    NoSuchFile,
    /// No device was created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The device was not removed.
    #[error(transparent)]
    Remove(#[from] RemoveError),
    /// The device was not renamed.
    #[error(transparent)]
    Rename(#[from] RenameError),
    /// The device did not change its state, or its tables.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The device was not suspended, since what is mounted on it did not come to rest.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
    /// The message was not delivered, or not obeyed.
    #[error(transparent)]
    Message(#[from] SendError),
    /// There is something wrong in the table.
    #[error("{}{}", .first.as_str(), More(*.more))]
    Table {
        /// The first error, with its place: `line:column: message`.
        first: Text,
        /// How many more there are. The device's file `error` tells them all.
        more: u64,
    },
    /// The table was not loaded, although there is nothing wrong in it.
    #[error(transparent)]
    Load(#[from] LoadDeviceError),
    /// Behind the `end` of a table stands something that is no `begin` of another.
    #[error("only comments, or `begin` and another table, may follow `end`")]
    AfterEnd,
    /// A line is too long for the file.
    #[error("the line is longer than {limit} bytes")]
    LineTooLong {
        /// How long it may be.
        limit: usize,
    },
    /// A table is too long.
    #[error("the table is longer than {limit} bytes")]
    TableTooLong {
        /// How long it may be.
        limit: usize,
    },
    /// The file can only be read.
    #[error("this file can only be read")]
    ReadOnly,
    /// Whoever waited for the device gave up. The change that it waited for takes place anyway.
    #[error("interrupted while requests were draining; the change takes place when they have")]
    Interrupted,
    /// There is no memory for it.
    #[error("out of memory")]
    OutOfMemory,
}

/// What kind of error it is, for surfaces that can only give a number.
///
/// The values are Linux's, the same on all its architectures.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(i32)]
pub enum Errno {
    /// `ENOENT`: no such device or file.
    NoEntry = 2,
    /// `EINTR`: whoever waited was interrupted.
    Interrupted = 4,
    /// `ENOMEM`: out of memory.
    NoMemory = 12,
    /// `EACCES`: the file can only be read.
    Access = 13,
    /// `EBUSY`: the device, or the number, is in use.
    Busy = 16,
    /// `EEXIST`: the name or the uuid is taken.
    Exists = 17,
    /// `ENODEV`: the device was removed in the meantime.
    NoDevice = 19,
    /// `EINVAL`: what was written is wrong.
    Invalid = 22,
    /// `EFBIG`: what was written is too long.
    TooBig = 27,
    /// `ENOSPC`: there is no number left for a device.
    NoSpace = 28,
}

impl Errno {
    /// All of them.
    pub const ALL: [Errno; 10] = [
        Errno::NoEntry,
        Errno::Interrupted,
        Errno::NoMemory,
        Errno::Access,
        Errno::Busy,
        Errno::Exists,
        Errno::NoDevice,
        Errno::Invalid,
        Errno::TooBig,
        Errno::NoSpace,
    ];

    /// Linux's number, positive.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

impl ShimError {
    /// What kind of error it is.
    pub fn errno(&self) -> Errno {
        self.cause.errno()
    }
}

impl Cause {
    /// What kind of error it is.
    pub fn errno(&self) -> Errno {
        match self {
            Cause::NoSuchDevice { .. } | Cause::NoSuchFile => Errno::NoEntry,
            Cause::Create(CreateError::NameTaken | CreateError::UuidTaken)
            | Cause::Rename(RenameError::NameTaken) => Errno::Exists,
            Cause::Create(CreateError::MinorTaken { .. })
            | Cause::Remove(RemoveError::Busy { .. })
            | Cause::Rename(RenameError::Busy { .. })
            | Cause::Freeze(FreezeError)
            | Cause::Load(LoadDeviceError::Overtaken) => Errno::Busy,
            Cause::Create(CreateError::NoMinorLeft) => Errno::NoSpace,
            Cause::Change(ChangeError::Removed) | Cause::Load(LoadDeviceError::Removed) => {
                Errno::NoDevice
            }
            Cause::OutOfMemory
            | Cause::Create(CreateError::OutOfMemory)
            | Cause::Load(LoadDeviceError::OutOfMemory)
            | Cause::Message(SendError::Refused(MessageError::OutOfMemory)) => Errno::NoMemory,
            Cause::LineTooLong { .. } | Cause::TableTooLong { .. } => Errno::TooBig,
            Cause::ReadOnly => Errno::Access,
            Cause::Interrupted => Errno::Interrupted,
            _ => Errno::Invalid,
        }
    }

    pub(crate) fn at(self, at: Position) -> ShimError {
        ShimError { at: Some(at), cause: self }
    }
}

impl<E> From<E> for ShimError
where
    Cause: From<E>,
{
    fn from(error: E) -> ShimError {
        ShimError { at: None, cause: error.into() }
    }
}

impl From<OutOfMemory> for Cause {
    fn from(_: OutOfMemory) -> Cause {
        Cause::OutOfMemory
    }
}

impl fmt::Display for ShimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{at}: {}", self.cause),
            None => self.cause.fmt(f),
        }
    }
}

impl core::error::Error for ShimError {}

/// The end of a message that tells only the first of several errors.
struct More(u64);

impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => f.write_str(" (and 1 more error)"),
            more => write!(f, " (and {more} more errors)"),
        }
    }
}

#[cfg(test)]
mod tests;
