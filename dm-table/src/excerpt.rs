//! A piece of the text, shown in a message.

use core::fmt::{self, Write};

/// The most characters of the text that a message shows.
const SHOWN: usize = 64;

/// A piece of the text as a message shows it: in backquotes, at most 64 characters of it, and what
/// does not print (control characters, invalid UTF-8) escaped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Excerpt<'t>(&'t [u8]);

impl<'t> Excerpt<'t> {
    /// An excerpt of `text`.
    pub const fn new(text: &'t [u8]) -> Excerpt<'t> {
        Excerpt(text)
    }

    /// All of the text, however long.
    pub const fn bytes(self) -> &'t [u8] {
        self.0
    }
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('`')?;
        let whole = self.write_start(f)?;
        f.write_char('`')?;
        if whole { Ok(()) } else { write!(f, "... ({} bytes)", self.0.len()) }
    }
}

impl Excerpt<'_> {
    /// Writes what a message shows, and tells whether that was all.
    fn write_start(&self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let mut shown = 0..SHOWN;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if shown.next().is_none() {
                    return Ok(false);
                }
                write_visible(f, c)?;
            }
            for byte in chunk.invalid() {
                if shown.next().is_none() {
                    return Ok(false);
                }
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(true)
    }
}

fn write_visible(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\'' | '"' | '\\' => f.write_char(c),
        _ => write!(f, "{}", c.escape_debug()),
    }
}

#[cfg(test)]
mod tests;
