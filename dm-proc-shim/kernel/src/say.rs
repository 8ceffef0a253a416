//! Lines for the kernel's log.

use core::fmt::{self, Write};

use crate::glue;

/// The longest line; the rest is cut off. It is put together on the stack.
const LINE: usize = 256;

pub(crate) struct Line {
    bytes: [u8; LINE],
    length: usize,
}

impl Line {
    pub(crate) fn of(text: fmt::Arguments<'_>) -> Line {
        let mut line = Line { bytes: [0; LINE], length: 0 };
        // It never fails: what has no room is cut off.
        let _ = line.write_fmt(text);
        line
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.iter_mut().skip(self.length);
        let mut written = 0usize;
        for (to, from) in room.zip(text.bytes()) {
            *to = from;
            written = written.saturating_add(1);
        }
        self.length = self.length.saturating_add(written);
        Ok(())
    }
}

/// Tells whoever reads the kernel's log of an error.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    let line = Line::of(text);
    let bytes = line.bytes();
    // SAFETY: C reads that many bytes.
    unsafe { glue::dmrs_say(bytes.as_ptr(), bytes.len()) }
}
