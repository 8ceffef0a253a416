//! Blanks and backslashes: where a word ends, and what its text means.
//!
//! A backslash quotes the character behind it, so that it neither ends the word nor quotes in turn.
//! The boot-line grammar adds a layer of its own below: there a backslash first takes a `,`, `;` or
//! backslash out of that grammar, and what is left is a table line with its own backslashes.

use core::fmt::{self, Write};
use core::str::Chars;

/// How many layers of backslashes stand between the text and its meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Quoting {
    /// A table line, or a field of a boot line.
    Once,
    /// A table line inside a boot line.
    Twice,
}

/// Whether `byte` separates words: ASCII white space, as in Linux.
pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Whether a backslash cannot quote this byte: no table could be printed on lines that held it.
pub(crate) const fn is_unquotable(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | 0)
}

impl Quoting {
    /// The first offset from `at` on where a word starts; the length of `text` if none does.
    pub(crate) fn skip_blanks(self, text: &[u8], mut at: usize) -> usize {
        while let Some((byte, next)) = self.unit(text, at) {
            if !is_blank(byte) {
                break;
            }
            at = next;
        }
        at
    }

    /// The offset just behind the word that starts at `at`.
    pub(crate) fn word_end(self, text: &[u8], mut at: usize) -> usize {
        while let Some((byte, next)) = self.unit(text, at) {
            if is_blank(byte) {
                break;
            }
            at = next;
            if byte == b'\\'
                && let Some((quoted, behind)) = self.unit(text, at)
                && !is_unquotable(quoted)
            {
                at = behind;
            }
        }
        at
    }

    /// Where `text` starts and ends without the blanks around it.
    pub(crate) fn trim(self, text: &[u8]) -> (usize, usize) {
        let start = self.skip_blanks(text, 0);
        let mut end = start;
        let mut at = start;
        while at < text.len() {
            let word = self.word_end(text, at);
            end = word;
            at = self.skip_blanks(text, word);
        }
        (start, end)
    }

    /// The offset of the first backslash that quotes nothing.
    pub(crate) fn dangling(self, text: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some((byte, next)) = self.unit(text, at) {
            if byte != b'\\' {
                at = next;
                continue;
            }
            match self.unit(text, next) {
                Some((quoted, behind)) if !is_unquotable(quoted) => at = behind,
                _ => return Some(at),
            }
        }
        None
    }

    /// The byte at `at` as the table line has it, and the offset behind it.
    #[inline]
    #[expect(clippy::arithmetic_side_effects, reason = "a slice is at most isize::MAX bytes long")]
    fn unit(self, text: &[u8], at: usize) -> Option<(u8, usize)> {
        let byte = *text.get(at)?;
        if byte == b'\\' && self == Quoting::Twice {
            return match text.get(at + 1) {
                Some(&escaped) => Some((escaped, at + 2)),
                None => Some((byte, at + 1)),
            };
        }
        Some((byte, at + 1))
    }
}

/// The characters of a word, its backslashes undone.
#[derive(Clone, Debug)]
pub struct Unescaped<'t> {
    raw: Chars<'t>,
    quoting: Quoting,
}

impl<'t> Unescaped<'t> {
    pub(crate) fn new(raw: &'t str, quoting: Quoting) -> Unescaped<'t> {
        Unescaped { raw: raw.chars(), quoting }
    }

    fn unit(&mut self) -> Option<char> {
        match self.raw.next() {
            Some('\\') if self.quoting == Quoting::Twice => self.raw.next().or(Some('\\')),
            other => other,
        }
    }
}

impl Iterator for Unescaped<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.unit() {
            Some('\\') => self.unit().or(Some('\\')),
            other => other,
        }
    }
}

impl fmt::Display for Unescaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clone().try_for_each(|c| f.write_char(c))
    }
}

#[cfg(test)]
mod tests;
