//! What can be wrong with a table, and where.

use crate::args::{ArgError, ArgReason};
use crate::position::Position;
use crate::sector::{Sector, Sectors};
use crate::text::TextReason;

/// Something wrong in a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct TableError<'t> {
    /// Where in the text.
    pub at: Position,
    /// What is wrong there.
    pub reason: TableReason<'t>,
}

/// What is wrong with a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TableReason<'t> {
    /// The start, the length or the target type is missing or is no such thing, or there is a word
    /// too many behind `begin` or `end`.
    #[error(transparent)]
    Word(ArgReason<'t>),
    /// The line is not text.
    #[error(transparent)]
    Text(TextReason),
    /// The first line starts further on.
    #[error("the first line must start at sector 0, found {found}")]
    NotAtZero {
        /// Where it starts.
        found: Sector,
    },
    /// A line starts behind the end of the one before it.
    #[error("expected sector {expected}, where the line before ends, found {found}: a gap")]
    Gap {
        /// Where the line before ends.
        expected: Sector,
        /// Where this one starts.
        found: Sector,
    },
    /// A line starts before the end of the one before it.
    #[error("expected sector {expected}, where the line before ends, found {found}: an overlap")]
    Overlap {
        /// Where the line before ends.
        expected: Sector,
        /// Where this one starts.
        found: Sector,
    },
    /// The length is 0.
    #[error("the line covers no sectors")]
    NoSectors,
    /// The sector behind the last has no number.
    #[error("{length} sectors from sector {start} on end past 64 bits")]
    PastEnd {
        /// Where the line starts.
        start: Sector,
        /// How long it says it is.
        length: Sectors,
    },
    /// A `begin` behind another.
    #[error("a second `begin`, the first is at {first}")]
    SecondBegin {
        /// The other one.
        first: Position,
    },
    /// A `begin` behind a line of the table.
    #[error("`begin` must stand before the first line of the table")]
    LateBegin,
    /// An `end` without `begin`.
    #[error("`end` without `begin`")]
    EndWithoutBegin,
    /// The text ends before the `end` that its `begin` promised.
    #[error(
        "expected `end`, as the table starts with `begin` at {begin}, found the end of the text"
    )]
    BeginWithoutEnd {
        /// The `begin`.
        begin: Position,
    },
    /// Something other than comments and blank lines behind `end`.
    #[error("only comments may follow `end`")]
    AfterEnd,
    /// No line at all.
    #[error("the table has no lines")]
    Empty,
}

impl<'t> From<ArgError<'t>> for TableError<'t> {
    fn from(error: ArgError<'t>) -> TableError<'t> {
        TableError { at: error.at, reason: TableReason::Word(error.reason) }
    }
}

impl<'t> From<(Position, TextReason)> for TableError<'t> {
    fn from((at, reason): (Position, TextReason)) -> TableError<'t> {
        TableError { at, reason: TableReason::Text(reason) }
    }
}
