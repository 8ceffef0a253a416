//! Cutting a text into lines, and a boot line into devices and fields.

/// Cuts at the first line feed: what is before it, and what is behind if there is one.
pub(crate) fn at_line_end(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    cut(text, text.iter().position(|&byte| byte == b'\n'))
}

/// Cuts at the first `separator` that no backslash quotes, likewise.
pub(crate) fn at_unquoted(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let mut is_quoted = false;
    let end = text.iter().position(|&byte| {
        let found = byte == separator && !is_quoted;
        is_quoted = byte == b'\\' && !is_quoted;
        found
    });
    cut(text, end)
}

fn cut(text: &[u8], at: Option<usize>) -> (&[u8], Option<&[u8]>) {
    match at.and_then(|at| text.split_at_checked(at)) {
        Some((head, tail)) => (head, tail.get(1..)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests;
