//! Writing any string as one word of a table line.

use core::fmt::{self, Write};

use crate::quoting::{is_blank, is_unquotable};

/// Writes a string as one word of a table line: a backslash before each blank and each backslash.
///
/// Parsing the result gives the string back. What no word can hold (nothing at all, a NUL, a carriage
/// return or a line feed) is written as U+FFFD, so that the result is one word whatever the string.
///
/// ```
/// assert_eq!(dm_table::Escaped("/dev/my disk").to_string(), r"/dev/my\ disk");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.0.chars())
    }
}

/// Writes `chars` as one word.
pub(crate) fn write_escaped(f: &mut impl Write, chars: impl Iterator<Item = char>) -> fmt::Result {
    let mut empty = true;
    for c in chars {
        empty = false;
        match u8::try_from(c) {
            Ok(byte) if is_unquotable(byte) => f.write_char(char::REPLACEMENT_CHARACTER)?,
            Ok(byte) if is_blank(byte) || byte == b'\\' => {
                f.write_char('\\')?;
                f.write_char(c)?;
            }
            _ => f.write_char(c)?,
        }
    }
    if empty {
        f.write_char(char::REPLACEMENT_CHARACTER)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
