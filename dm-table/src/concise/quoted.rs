//! Writing a name or a table line as a field of a boot line.

use core::fmt::{self, Display, Write};
use core::mem;

use crate::quoting::{is_blank, is_unquotable};

/// Writes something as one field of a boot line: a backslash before each comma, semicolon and
/// backslash, and before a blank at either end.
///
/// Parsing the result gives the text back. What no field can hold (a NUL, or a line break at either
/// end) is written as U+FFFD.
///
/// ```
/// use dm_table::concise::Quoted;
/// assert_eq!(Quoted("0 8 linear /dev/a,b 0").to_string(), r"0 8 linear /dev/a\,b 0");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Quoted<D>(pub D);

impl<D: Display> Display for Quoted<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut quoting = Quoting { out: f, held: None, first: true };
        write!(quoting, "{}", self.0)?;
        quoting.release(true)
    }
}

/// Writes one character late, to know the last.
struct Quoting<'f, 'o> {
    out: &'f mut fmt::Formatter<'o>,
    held: Option<char>,
    first: bool,
}

impl Quoting<'_, '_> {
    /// Writes the character held back.
    fn release(&mut self, last: bool) -> fmt::Result {
        let Some(c) = self.held.take() else {
            return Ok(());
        };
        let is_at_end = mem::take(&mut self.first) || last;
        let byte = u8::try_from(c).unwrap_or(u8::MAX);
        if byte == 0 || is_at_end && is_unquotable(byte) {
            return self.out.write_char(char::REPLACEMENT_CHARACTER);
        }
        if matches!(c, ',' | ';' | '\\') || is_at_end && is_blank(byte) {
            self.out.write_char('\\')?;
        }
        self.out.write_char(c)
    }
}

impl Write for Quoting<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.release(false)?;
            self.held = Some(c);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
