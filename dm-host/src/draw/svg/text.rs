//! Words of the picture.

use std::fmt::{self, Write};

pub(super) const INK: &str = "#24292f";
pub(super) const FAINT: &str = "#6e7781";

/// As much of a text as there is room for, in letters.
pub(super) fn shortened(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    kept + "…"
}

/// A line of text, and where it goes.
#[derive(Clone, Copy)]
pub(super) struct Text {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) size: usize,
    pub(super) anchor: &'static str,
    pub(super) fill: &'static str,
}

impl Text {
    pub(super) fn write(&self, out: &mut dyn Write, text: &str) -> fmt::Result {
        let Text { x, y, size, anchor, fill } = self;
        writeln!(
            out,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
             fill=\"{fill}\">{}</text>",
            Escaped(text)
        )
    }
}

/// Text between tags.
pub(super) struct Escaped<'t>(pub(super) &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            // XML has no way to write these.
            c if c.is_control() => f.write_char('\u{fffd}'),
            c => f.write_char(c),
        })
    }
}
