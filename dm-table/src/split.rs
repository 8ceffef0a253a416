//! Cutting a text into lines, and a boot line into devices and fields.

/// A piece cut off the front of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'t> {
    pub(crate) head: &'t [u8],
    /// What follows the separator; `None` if there was none.
    pub(crate) tail: Option<&'t [u8]>,
    /// Whether `head` holds neither a NUL nor a backslash.
    pub(crate) plain: bool,
}

/// Cuts at the first line feed.
#[inline]
pub(crate) fn at_line_end(text: &[u8]) -> Piece<'_> {
    let mut plain = true;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'\n' => return cut(text, at, plain),
            b'\\' | 0 => plain = false,
            _ => {}
        }
    }
    Piece {
        head: text,
        tail: None,
        plain,
    }
}

/// Cuts at the first `separator` that no backslash quotes.
pub(crate) fn at_unquoted(text: &[u8], separator: u8) -> Piece<'_> {
    let mut plain = true;
    let mut quoted = false;
    for (at, &byte) in text.iter().enumerate() {
        if !quoted && byte == separator {
            return cut(text, at, plain);
        }
        quoted = !quoted && byte == b'\\';
        plain &= !matches!(byte, b'\\' | 0);
    }
    Piece {
        head: text,
        tail: None,
        plain,
    }
}

#[inline]
fn cut(text: &[u8], at: usize, plain: bool) -> Piece<'_> {
    let (head, tail) = text.split_at_checked(at).unwrap_or((text, &[]));
    Piece {
        head,
        tail: tail.get(1..),
        plain,
    }
}

#[cfg(test)]
mod tests;
