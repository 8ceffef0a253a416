//! Where in a text something stands: line and column.

use core::fmt;

/// A place in a text, both numbers from 1.
///
/// A column counts characters, not bytes; a byte that is not UTF-8 counts as one. Both numbers stop
/// at `u32::MAX`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// The first character of a text.
    pub const START: Position = Position { line: 1, column: 1 };

    /// The place just behind `text`, where `text` starts here.
    ///
    /// Takes time in proportion to `text`, so it is only asked once there is an error to report.
    pub(crate) fn after(self, text: &[u8]) -> Position {
        text.utf8_chunks().fold(self, |at, chunk| {
            let mut at = at.after_str(chunk.valid());
            at.column = at.column.saturating_add(saturate(chunk.invalid().len()));
            at
        })
    }

    /// The first character of the next line.
    pub(crate) const fn next_line(self) -> Position {
        Position { line: self.line.saturating_add(1), ..Position::START }
    }

    fn after_str(self, text: &str) -> Position {
        let Some(end) = text.as_bytes().iter().rposition(|&byte| byte == b'\n') else {
            return Position { column: self.column.saturating_add(characters(text)), ..self };
        };
        let lines = text.as_bytes().iter().filter(|&&byte| byte == b'\n').count();
        let last = text.get(end.saturating_add(1)..).unwrap_or_default();
        Position {
            line: self.line.saturating_add(saturate(lines)),
            column: Position::START.column.saturating_add(characters(last)),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

fn characters(text: &str) -> u32 {
    saturate(text.chars().count())
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
