//! The words of a line, one after the other.

use core::iter::FusedIterator;

use crate::excerpt::Excerpt;
use crate::position::Position;
use crate::quoting::Quoting;
use crate::word::Word;

/// The words of a line that are still to be read; of a table line, those behind the target type.
///
/// A target takes its arguments with [`word`](Args::word), [`number`](Args::number) and, when it
/// has all that it expects, [`finish`](Args::finish); each error knows its place in the text.
#[derive(Clone, Debug)]
pub struct Args<'t> {
    /// UTF-8.
    line: &'t [u8],
    /// Just behind the word taken last.
    at: usize,
    origin: Position,
    quoting: Quoting,
}

/// Why the words of a line were refused, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct ArgError<'t> {
    /// The word refused; where one is missing, just behind the last word of the line.
    pub at: Position,
    /// What is wrong there.
    pub reason: ArgReason<'t>,
}

/// What is wrong with a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgReason<'t> {
    /// The line ends too early.
    #[error("expected {what}, found the end of the line")]
    Missing {
        /// What should have stood there.
        what: &'static str,
    },
    /// A number with a sign.
    #[error("expected {what}, found {found}: the number must have no sign")]
    Sign {
        /// What should have stood there.
        what: &'static str,
        /// What stands there.
        found: Excerpt<'t>,
    },
    /// Something else than the digits 0 to 9 where a number belongs.
    #[error("expected {what}, found {found}: not a decimal number")]
    NotANumber {
        /// What should have stood there.
        what: &'static str,
        /// What stands there.
        found: Excerpt<'t>,
    },
    /// A number that does not fit.
    #[error("expected {what}, found {found}: past {bits} bits")]
    TooLarge {
        /// What should have stood there.
        what: &'static str,
        /// What stands there.
        found: Excerpt<'t>,
        /// The width that was too small for it.
        bits: u32,
    },
    /// The line goes on too long.
    #[error("expected the end of the line, found {found}")]
    Extra {
        /// The first word too many.
        found: Excerpt<'t>,
    },
    /// A word that whoever reads it refuses for a reason of his own.
    #[error("expected {what}, found {found}: {why}")]
    Refused {
        /// What should have stood there.
        what: &'static str,
        /// What stands there.
        found: Excerpt<'t>,
        /// The reason.
        why: &'static str,
    },
}

impl<'t> Args<'t> {
    /// The words of `line`, whose first character stands at `origin`.
    ///
    /// Every ASCII white space separates words. For text that is no table line but has such words.
    pub fn new(line: &'t str, origin: Position) -> Args<'t> {
        Args::quoted(line.as_bytes(), origin, Quoting::Once)
    }

    /// The words of `line`, which is UTF-8.
    pub(crate) const fn quoted(line: &'t [u8], origin: Position, quoting: Quoting) -> Args<'t> {
        Args { line, at: 0, origin, quoting }
    }

    /// The same line, behind the word that ends at `at`.
    pub(crate) const fn behind(self, at: usize) -> Args<'t> {
        Args { at, ..self }
    }

    /// The word of this line that starts at `start` and ends where these words start.
    pub(crate) const fn word_before(&self, start: usize) -> Word<'t> {
        Word { line: self.line, start, end: self.at, origin: self.origin, quoting: self.quoting }
    }

    /// Takes the next word, or says that `what` is missing.
    pub fn word(&mut self, what: &'static str) -> Result<Word<'t>, ArgError<'t>> {
        match self.next() {
            Some(word) => Ok(word),
            None => Err(ArgError { at: self.here(), reason: ArgReason::Missing { what } }),
        }
    }

    /// Takes the next word as a decimal number of 64 bits. Leading zeros are allowed, a sign is not.
    pub fn number(&mut self, what: &'static str) -> Result<u64, ArgError<'t>> {
        self.word(what)?.number(what)
    }

    /// Takes the next word as a decimal number of 32 bits, likewise.
    pub fn number_u32(&mut self, what: &'static str) -> Result<u32, ArgError<'t>> {
        self.word(what)?.number_u32(what)
    }

    /// The next word, which stays.
    pub fn peek(&self) -> Option<Word<'t>> {
        self.clone().next()
    }

    /// How many words are left. Reads the rest of the line.
    pub fn remaining(&self) -> usize {
        self.clone().count()
    }

    /// Checks that no word is left; the first that is makes the error.
    pub fn finish(mut self) -> Result<(), ArgError<'t>> {
        match self.next() {
            None => Ok(()),
            Some(word) => Err(ArgError {
                at: word.position(),
                reason: ArgReason::Extra { found: word.excerpt() },
            }),
        }
    }

    /// What is left of the line as it stands in the text, without the blanks before and behind.
    pub fn rest(&self) -> &'t str {
        match (self.peek(), self.clone().last()) {
            (Some(first), Some(last)) => Word { end: last.end, ..first }.raw(),
            _ => "",
        }
    }

    /// Just behind the word taken last, where a missing one would have to stand.
    pub fn here(&self) -> Position {
        self.origin.after(self.line.get(..self.at).unwrap_or_default())
    }
}

impl<'t> Iterator for Args<'t> {
    type Item = Word<'t>;

    #[inline]
    fn next(&mut self) -> Option<Word<'t>> {
        let start = self.quoting.skip_blanks(self.line, self.at);
        let end = self.quoting.word_end(self.line, start);
        if start == end {
            return None;
        }
        self.at = end;
        Some(self.word_before(start))
    }
}

impl FusedIterator for Args<'_> {}

#[cfg(test)]
mod tests;
