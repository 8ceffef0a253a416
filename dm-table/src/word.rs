//! One word of a line.

use core::{fmt, str};

use crate::args::{ArgError, ArgReason};
use crate::digits;
use crate::escaped::write_escaped;
use crate::excerpt::Excerpt;
use crate::position::Position;
use crate::quoting::{Quoting, Unescaped};

/// A word of a line, and where it stands.
///
/// `Display` writes it in canonical form, a backslash before each blank and each backslash in it.
/// It equals a `str` whose characters are its own, backslashes undone.
#[derive(Clone, Copy, Debug)]
pub struct Word<'t> {
    /// UTF-8.
    pub(crate) line: &'t [u8],
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) origin: Position,
    pub(crate) quoting: Quoting,
}

impl<'t> Word<'t> {
    /// The word as it stands in the text, backslashes and all; never empty.
    pub fn raw(&self) -> &'t str {
        // Checked when the line was read, and a word ends between characters: it never is the default.
        str::from_utf8(self.bytes()).unwrap_or_default()
    }

    fn bytes(&self) -> &'t [u8] {
        self.line.get(self.start..self.end).unwrap_or_default()
    }

    /// What the word means: a backslash gone wherever it quotes the character behind it.
    pub fn unescaped(&self) -> Unescaped<'t> {
        Unescaped::new(self.raw(), self.quoting)
    }

    /// Where its first character stands. Takes time in proportion to the line before it.
    pub fn position(&self) -> Position {
        self.origin.after(self.line.get(..self.start).unwrap_or_default())
    }

    /// The word as a message shows it.
    pub fn excerpt(&self) -> Excerpt<'t> {
        Excerpt::new(self.bytes())
    }

    /// The word as a decimal number of 64 bits. Leading zeros are allowed; a sign is not, nor are
    /// backslashes. The error says that `what` was expected.
    pub fn number(&self, what: &'static str) -> Result<u64, ArgError<'t>> {
        decimal(self.bytes()).map_err(|fault| self.not_a_number(fault, what, u64::BITS))
    }

    /// The word as a decimal number of 32 bits, likewise.
    pub fn number_u32(&self, what: &'static str) -> Result<u32, ArgError<'t>> {
        decimal(self.bytes())
            .and_then(|number| u32::try_from(number).map_err(|_| Fault::TooLarge))
            .map_err(|fault| self.not_a_number(fault, what, u32::BITS))
    }

    #[cold]
    fn not_a_number(&self, fault: Fault, what: &'static str, bits: u32) -> ArgError<'t> {
        let found = self.excerpt();
        let reason = match fault {
            Fault::Sign => ArgReason::Sign { what, found },
            Fault::NotANumber => ArgReason::NotANumber { what, found },
            Fault::TooLarge => ArgReason::TooLarge { what, found, bits },
        };
        ArgError { at: self.position(), reason }
    }

    /// An error at this word: where `what` was expected, this word is none, because `why`.
    pub fn refused(&self, what: &'static str, why: &'static str) -> ArgError<'t> {
        ArgError {
            at: self.position(),
            reason: ArgReason::Refused { what, found: self.excerpt(), why },
        }
    }
}

impl PartialEq<str> for Word<'_> {
    fn eq(&self, other: &str) -> bool {
        match self.bytes().contains(&b'\\') {
            false => self.bytes() == other.as_bytes(),
            true => self.unescaped().eq(other.chars()),
        }
    }
}

impl PartialEq<&str> for Word<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.unescaped())
    }
}

/// Why a word is no number.
#[derive(Clone, Copy)]
enum Fault {
    Sign,
    NotANumber,
    TooLarge,
}

#[inline]
fn decimal(word: &[u8]) -> Result<u64, Fault> {
    match digits::leading(word) {
        Some((number, length)) if length == word.len() => Ok(number),
        _ => Err(fault(word)),
    }
}

#[cold]
fn fault(word: &[u8]) -> Fault {
    let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    match word {
        [b'+' | b'-', digits @ ..] if is_number(digits) => Fault::Sign,
        _ if is_number(word) => Fault::TooLarge,
        _ => Fault::NotANumber,
    }
}

#[cfg(test)]
mod tests;
