//! One word of a line.

use core::fmt;

use crate::args::{ArgError, ArgReason};
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
    pub(crate) raw: &'t str,
    pub(crate) before: &'t [u8],
    pub(crate) origin: Position,
    pub(crate) quoting: Quoting,
}

impl<'t> Word<'t> {
    /// The word as it stands in the text, backslashes and all; never empty.
    pub const fn raw(&self) -> &'t str {
        self.raw
    }

    /// What the word means: a backslash gone wherever it quotes the character behind it.
    pub fn unescaped(&self) -> Unescaped<'t> {
        Unescaped::new(self.raw, self.quoting)
    }

    /// Where its first character stands. Takes time in proportion to the line before it.
    pub fn position(&self) -> Position {
        self.origin.after(self.before)
    }

    /// The word as a message shows it.
    pub const fn excerpt(&self) -> Excerpt<'t> {
        Excerpt::new(self.raw.as_bytes())
    }

    /// The word as a decimal number of 64 bits. Leading zeros are allowed; a sign is not, nor are
    /// backslashes. The error says that `what` was expected.
    pub fn number(&self, what: &'static str) -> Result<u64, ArgError<'t>> {
        decimal(self.raw).map_err(|fault| self.not_a_number(fault, what, u64::BITS))
    }

    /// The word as a decimal number of 32 bits, likewise.
    pub fn number_u32(&self, what: &'static str) -> Result<u32, ArgError<'t>> {
        decimal(self.raw)
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
        ArgError {
            at: self.position(),
            reason,
        }
    }

    /// An error at this word: where `what` was expected, this word is none, because `why`.
    pub fn refused(&self, what: &'static str, why: &'static str) -> ArgError<'t> {
        ArgError {
            at: self.position(),
            reason: ArgReason::Refused {
                what,
                found: self.excerpt(),
                why,
            },
        }
    }
}

impl PartialEq<str> for Word<'_> {
    fn eq(&self, other: &str) -> bool {
        self.unescaped().eq(other.chars())
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
fn decimal(word: &str) -> Result<u64, Fault> {
    let mut number = Some(0u64);
    for byte in word.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(if is_signed(word) {
                Fault::Sign
            } else {
                Fault::NotANumber
            });
        }
        number = number.and_then(|n| n.checked_mul(10)?.checked_add(u64::from(digit)));
    }
    number.ok_or(Fault::TooLarge)
}

fn is_signed(word: &str) -> bool {
    let digits = word.strip_prefix(['+', '-']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
