//! What can be wrong with a boot line, and where.

use crate::args::{ArgError, ArgReason};
use crate::error::{TableError, TableReason};
use crate::excerpt::Excerpt;
use crate::position::Position;
use crate::text::TextReason;

/// Something wrong on a boot line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct ConciseError<'t> {
    /// Where on the boot line.
    pub at: Position,
    /// What is wrong there.
    pub reason: ConciseReason<'t>,
}

/// What is wrong with a boot line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConciseReason<'t> {
    /// Nothing at all, or nothing behind a semicolon.
    #[error("expected a device, `<name>,<uuid>,<minor>,<ro or rw>,<table line>`, found nothing")]
    NoDevice,
    /// The name is empty.
    #[error("the device has no name")]
    NoName,
    /// The device ends too early.
    #[error("expected {what} behind a comma, found the end of the device")]
    Missing {
        /// What should have stood there.
        what: &'static str,
    },
    /// The minor is not a number.
    #[error(transparent)]
    Minor(ArgReason<'t>),
    /// The flags are something else.
    #[error("expected the flags, `ro` or `rw`, found {found}")]
    Mode {
        /// What stands there.
        found: Excerpt<'t>,
    },
    /// The name, uuid, minor or flags are not text.
    #[error(transparent)]
    Text(TextReason),
    /// Something is wrong in the table.
    #[error(transparent)]
    Table(TableReason<'t>),
}

impl<'t> From<TableError<'t>> for ConciseError<'t> {
    fn from(error: TableError<'t>) -> ConciseError<'t> {
        ConciseError { at: error.at, reason: ConciseReason::Table(error.reason) }
    }
}

impl<'t> From<ArgError<'t>> for ConciseError<'t> {
    fn from(error: ArgError<'t>) -> ConciseError<'t> {
        ConciseError { at: error.at, reason: ConciseReason::Minor(error.reason) }
    }
}
