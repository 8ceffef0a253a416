//! Where a table starts and ends in what is written through one open.

/// What has come so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Frame {
    /// Blank lines and comments.
    #[default]
    Start,
    /// A line of a table without `begin`: it ends when the file is closed.
    Bare,
    /// `begin`: the table ends with `end`.
    Begun,
    /// A table with its `end`, or one that was refused: only another framed one may follow.
    Ended,
}

/// What a line is to the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// Part of it, or of no concern.
    Inside,
    /// Its `end`.
    End,
    /// No part of any table.
    Stray {
        /// Where on the line it begins, from 1.
        column: u32,
    },
}

impl Frame {
    /// Takes up the next line.
    pub(crate) fn take(&mut self, line: &[u8]) -> Part {
        let first =
            line.split(|&byte| is_blank(byte)).find(|word| !word.is_empty()).unwrap_or_default();
        let (frame, part) = match (*self, first) {
            (frame, [] | [b'#', ..]) => (frame, Part::Inside),
            (Frame::Start | Frame::Ended, b"begin") => (Frame::Begun, Part::Inside),
            (Frame::Start, _) => (Frame::Bare, Part::Inside),
            (Frame::Begun, b"end") => (Frame::Ended, Part::End),
            (Frame::Bare | Frame::Begun, _) => (*self, Part::Inside),
            (Frame::Ended, _) => (Frame::Ended, Part::Stray { column: column(line) }),
        };
        *self = frame;
        part
    }
}

/// Where the first word starts, from 1.
fn column(line: &[u8]) -> u32 {
    let blanks = line.iter().take_while(|&&byte| is_blank(byte)).count();
    u32::try_from(blanks).unwrap_or(u32::MAX).saturating_add(1)
}

/// Whether `byte` separates words, as it does in a table.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests;
