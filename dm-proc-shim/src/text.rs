//! Text that may not fit into memory.

use core::fmt::{self, Write};

use dm_core::{OutOfMemory, Text};

/// What `value` displays as.
pub(crate) fn of(value: impl fmt::Display) -> Result<Text, OutOfMemory> {
    let mut text = Text::new();
    write!(text, "{value}").map_err(|_| OutOfMemory)?;
    Ok(text)
}
