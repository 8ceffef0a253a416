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
        '\t' => f.write_str("\\t"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        _ if is_invisible(c) => write!(f, "\\u{{{:x}}}", u32::from(c)),
        _ => f.write_char(c),
    }
}

/// Controls, and what reorders, joins or hides the characters around it. (`char::escape_debug` knows
/// more of them, but brings tables along, and code that could panic.)
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests;
