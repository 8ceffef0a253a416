//! Bytes to text: what of a line can be read, and the first byte of it that can't.

use core::str;

use crate::position::Position;
use crate::quoting::Quoting;

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
    pub(crate) text: &'t str,
    pub(crate) fault: Option<(Position, TextReason)>,
}

impl<'t> Text<'t> {
    /// Reads `bytes`, which start at `origin`. `plain` promises that there is no NUL and no backslash.
    #[inline]
    pub(crate) fn read(
        bytes: &'t [u8],
        origin: Position,
        quoting: Quoting,
        plain: bool,
    ) -> Text<'t> {
        match str::from_utf8(bytes) {
            Ok(text) if plain => Text { text, fault: None },
            _ => Text::inspect(bytes, origin, quoting),
        }
    }

    #[cold]
    fn inspect(bytes: &'t [u8], origin: Position, quoting: Quoting) -> Text<'t> {
        let (text, invalid) = match bytes.utf8_chunks().next() {
            Some(chunk) => (chunk.valid(), chunk.invalid().first()),
            None => ("", None),
        };
        let (at, reason) = if let Some(nul) = text.find('\0') {
            (nul, TextReason::Nul)
        } else if let Some(&byte) = invalid {
            (text.len(), TextReason::NotUtf8 { byte })
        } else if let Some(backslash) = quoting.dangling(bytes) {
            (backslash, TextReason::Dangling)
        } else {
            return Text { text, fault: None };
        };
        let before = text.get(..at).unwrap_or_default();
        let whole_words = before
            .rfind(|c: char| c.is_ascii_whitespace())
            .and_then(|blank| before.get(..blank));
        let fault = Some((origin.after(before.as_bytes()), reason));
        Text {
            text: whole_words.unwrap_or_default(),
            fault,
        }
    }
}

#[cfg(test)]
mod tests;
