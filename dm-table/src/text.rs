//! Bytes to text: what of a line can be read, and the first byte of it that can't.

use crate::args::Args;
use crate::position::Position;
use crate::quoting::{Quoting, is_blank};

/// Why the bytes of a line are not its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TextReason {
    /// A NUL byte.
    #[error("a NUL byte")]
    Nul,
    /// A byte that is not UTF-8, or starts a sequence that is not.
    #[error("byte 0x{byte:02x} is not UTF-8")]
    NotUtf8 {
        /// The byte.
        byte: u8,
    },
    /// A backslash with nothing behind it, or with a line break.
    #[error("the backslash quotes nothing: a line cannot go on in the next")]
    Dangling,
}

/// The text of a line; where a byte of it is not text, the words before that one's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'t> {
    /// UTF-8.
    text: &'t [u8],
    origin: Position,
    quoting: Quoting,
    pub(crate) fault: Option<(Position, TextReason)>,
}

impl<'t> Text<'t> {
    /// Reads `bytes`, which start at `origin`.
    pub(crate) fn read(bytes: &'t [u8], origin: Position, quoting: Quoting) -> Text<'t> {
        let Some((at, reason)) = first_fault(bytes, quoting) else {
            return Text { text: bytes, origin, quoting, fault: None };
        };
        let before = bytes.get(..at).unwrap_or_default();
        let blank = before.iter().rposition(|&byte| is_blank(byte)).unwrap_or(0);
        Text {
            text: before.get(..blank).unwrap_or_default(),
            origin,
            quoting,
            fault: Some((origin.after(before), reason)),
        }
    }

    /// Its words.
    pub(crate) const fn words(&self) -> Args<'t> {
        Args::quoted(self.text, self.origin, self.quoting)
    }
}

fn first_fault(bytes: &[u8], quoting: Quoting) -> Option<(usize, TextReason)> {
    let (text, invalid) = match bytes.utf8_chunks().next() {
        Some(chunk) => (chunk.valid(), chunk.invalid().first()),
        None => ("", None),
    };
    if let Some(nul) = text.find('\0') {
        Some((nul, TextReason::Nul))
    } else if let Some(&byte) = invalid {
        Some((text.len(), TextReason::NotUtf8 { byte }))
    } else {
        quoting.dangling(bytes).map(|backslash| (backslash, TextReason::Dangling))
    }
}

#[cfg(test)]
mod tests;
