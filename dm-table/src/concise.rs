//! The boot-line grammar: whole devices on one line, as Linux's `dm-mod.create=` takes them.
//!
//! ```text
//! <name>,<uuid>,<minor>,<flags>,<table line>[,<table line>]*[;<name>,...]*
//! ```
//!
//! after Linux's `Documentation/admin-guide/device-mapper/dm-init.rst`. The uuid and the minor may be
//! empty; the flags are `ro` or `rw`. Blanks around a field mean nothing, and a line feed is a blank
//! here, so that a long line may be folded. As for `dmsetup --concise`, to which that document refers,
//! a backslash takes the character behind it (a comma, a semicolon, a backslash) out of this grammar;
//! a table line has its backslashes on top of that, so a blank in a path needs two: `my\\ disk`.
//!
//! ```
//! use dm_table::concise;
//!
//! let devices: Result<Vec<_>, _> = concise::parse(
//!     b"lroot,,,rw, 0 4096 linear 98:16 0, 4096 4096 linear 98:32 0",
//! ).collect();
//! let device = &devices?[0];
//! assert_eq!(device.name(), "lroot");
//! assert_eq!(device.lines().count(), 2);
//! assert_eq!(device.to_string(), "lroot,,,rw,0 4096 linear 98:16 0,4096 4096 linear 98:32 0");
//! # Ok::<(), concise::ConciseError>(())
//! ```

use core::fmt;

use crate::lines::Lines;
use crate::word::Word;

mod devices;
mod error;
mod quoted;

pub use devices::{Devices, parse};
pub use error::{ConciseError, ConciseReason};
pub use quoted::Quoted;

/// A device on a boot line, without errors.
///
/// `Display` writes it in canonical form: no blanks around fields, table lines as [`Line`](crate::Line) writes them.
#[derive(Clone, Debug)]
pub struct Device<'t> {
    name: Word<'t>,
    uuid: Option<Word<'t>>,
    minor: Option<u32>,
    mode: Mode,
    lines: Lines<'t>,
}

/// What may be done with a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// `ro`: only reads.
    ReadOnly,
    /// `rw`: reads and writes.
    ReadWrite,
}

impl<'t> Device<'t> {
    /// The name. Its length and characters are for whoever creates the device to judge.
    pub const fn name(&self) -> Word<'t> {
        self.name
    }

    /// The uuid, any text.
    pub const fn uuid(&self) -> Option<Word<'t>> {
        self.uuid
    }

    /// The minor number; without one, whoever creates the device chooses.
    pub const fn minor(&self) -> Option<u32> {
        self.minor
    }

    /// Whether the device may be written.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The table. All its items are `Ok`: its errors came instead of the device.
    pub fn lines(&self) -> Lines<'t> {
        self.lines.clone()
    }
}

impl fmt::Display for Device<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},", Quoted(self.name.unescaped()))?;
        if let Some(uuid) = self.uuid {
            Quoted(uuid.unescaped()).fmt(f)?;
        }
        f.write_str(",")?;
        if let Some(minor) = self.minor {
            minor.fmt(f)?;
        }
        write!(f, ",{}", self.mode)?;
        self.lines().flatten().try_for_each(|line| write!(f, ",{}", Quoted(line)))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::ReadOnly => "ro",
            Mode::ReadWrite => "rw",
        })
    }
}

#[cfg(test)]
mod tests;
