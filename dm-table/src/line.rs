//! One line of a table: `<start> <length> <target type> <arguments>`.

use core::fmt;

use crate::args::{ArgError, ArgReason, Args};
use crate::error::{TableError, TableReason};
use crate::position::Position;
use crate::queue::Queue;
use crate::sector::{Sector, SectorRange, Sectors};
use crate::sequence::Sequence;
use crate::text::Text;
use crate::word::Word;

/// What can be wrong with one line: its start, its length, what is missing, and what is not text.
pub(crate) type Errors<'t> = Queue<TableError<'t>, 4>;

const START: &str = "the start sector";
const LENGTH: &str = "the length in sectors";
const TARGET: &str = "the target type";

/// A line of a table: which sectors go to which target.
///
/// `Display` writes it in canonical form: decimal, one space between words, no line break.
#[derive(Clone, Debug)]
pub struct Line<'t> {
    pub(crate) range: SectorRange,
    /// Where the start sector starts, and the target type, in bytes.
    pub(crate) start: usize,
    pub(crate) target: usize,
    pub(crate) args: Args<'t>,
}

impl<'t> Line<'t> {
    /// The sectors of the mapped device that the line covers.
    pub const fn range(&self) -> SectorRange {
        self.range
    }

    /// The name of the target type.
    pub fn target(&self) -> Word<'t> {
        self.args.word_before(self.target)
    }

    /// The words behind the target type.
    pub fn args(&self) -> Args<'t> {
        self.args.clone()
    }

    /// Where the line's first word stands.
    pub fn position(&self) -> Position {
        self.args.word_before(self.start).position()
    }

    /// Reads a line; if anything is wrong with it, `errors` gets all of that.
    pub(crate) fn read(
        text: &Text<'t>,
        sequence: &mut Sequence,
        errors: &mut Errors<'t>,
    ) -> Option<Line<'t>> {
        let mut words = text.words();
        let first = words.word(START);
        let second = words.word(LENGTH);
        let third = words.word(TARGET);
        let start = first.and_then(|word| word.number(START)).map(Sector::new);
        let length = second.and_then(|word| word.number(LENGTH)).map(Sectors::new);
        let placed = sequence.place(start.ok(), length.ok().filter(|length| !length.is_zero()));
        if let (Ok(first), Ok(target)) = (first, third)
            && let (Ok(start), Ok(length), Ok(()), None) = (start, length, placed, text.fault)
            && let Some(range) = SectorRange::new(start, length)
        {
            return Some(Line { range, start: first.start, target: target.start, args: words });
        }
        // A text fault cuts the line short, and so does the first word missing: no more words to miss.
        let mut is_short = text.fault.is_some();
        let mut push_word = |errors: &mut Errors<'t>, error: ArgError<'t>| {
            let is_missing = matches!(error.reason, ArgReason::Missing { .. });
            if !(is_missing && is_short) {
                errors.push(error.into());
            }
            is_short |= is_missing;
        };
        match start {
            Ok(_) => {
                errors.extend(placed.err().zip(first.ok()).map(|(reason, word)| at(word, reason)))
            }
            Err(error) => push_word(errors, error),
        }
        match length {
            Ok(length) => errors.extend(
                uncovered(start.ok(), length)
                    .zip(second.ok())
                    .map(|(reason, word)| at(word, reason)),
            ),
            Err(error) => push_word(errors, error),
        }
        if let Err(error) = third {
            push_word(errors, error);
        }
        errors.extend(text.fault.map(TableError::from));
        None
    }
}

fn at<'t>(word: Word<'t>, reason: TableReason<'t>) -> TableError<'t> {
    TableError { at: word.position(), reason }
}

/// Why a length is no length of a line that starts there.
fn uncovered(start: Option<Sector>, length: Sectors) -> Option<TableReason<'static>> {
    if length.is_zero() {
        return Some(TableReason::NoSectors);
    }
    let start = start?;
    match SectorRange::new(start, length) {
        Some(_) => None,
        None => Some(TableReason::PastEnd { start, length }),
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.range.start(), self.range.length(), self.target())?;
        self.args().try_for_each(|word| write!(f, " {word}"))
    }
}

#[cfg(test)]
mod tests;
