//! What mapped devices are called by.

use core::fmt;
use core::str::FromStr;

/// The longest name, in bytes.
const MAX_NAME: usize = 127;
/// The longest uuid, in bytes.
const MAX_UUID: usize = 128;
/// Names that the control file system has a use for.
const RESERVED: &[&str] = &[".", "..", "control", "targets"];

/// The name of a mapped device: 1 to 127 bytes without `/`, white space or control characters, and
/// not `.`, `..`, `control` or `targets`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct DeviceName(heapless::String<MAX_NAME>);

/// Why a name was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has no letters.
    #[error("the name is empty")]
    Empty,
    /// It is too long.
    #[error("the name is {length} bytes long; at most {MAX_NAME} are allowed")]
    TooLong {
        /// How long.
        length: usize,
    },
    /// It has a character that would be taken for something else.
    #[error("the name has {character:?} in it")]
    BadCharacter {
        /// Which.
        character: char,
    },
    /// It means something else already.
    #[error("`{name}` is a reserved name")]
    Reserved {
        /// The name.
        name: &'static str,
    },
}

impl DeviceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<DeviceName, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(&name) = RESERVED.iter().find(|&&reserved| reserved == text) {
            return Err(NameError::Reserved { name });
        }
        let bad = |c: &char| *c == '/' || c.is_whitespace() || c.is_control();
        if let Some(character) = text.chars().find(bad) {
            return Err(NameError::BadCharacter { character });
        }
        match heapless::String::try_from(text) {
            Ok(name) => Ok(DeviceName(name)),
            Err(_) => Err(NameError::TooLong { length: text.len() }),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An identifier that outlives renames: 1 to 128 bytes of printable ASCII, by the caller's choice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Uuid(heapless::String<MAX_UUID>);

/// Why a uuid was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a uuid is 1 to {MAX_UUID} bytes of printable ASCII without blanks")]
pub struct UuidError;

impl Uuid {
    /// The uuid as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Uuid {
    type Err = UuidError;

    fn from_str(text: &str) -> Result<Uuid, UuidError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UuidError);
        }
        heapless::String::try_from(text).map(Uuid).map_err(|_| UuidError)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The number of a mapped device, below 2^20 as in Linux.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Minor(u32);

impl Minor {
    /// The highest there is.
    pub const MAX: Minor = Minor((1 << 20) - 1);

    /// The minor of that number; `None` above [`Minor::MAX`].
    #[expect(clippy::cast_possible_truncation, reason = "below 2^20")]
    pub const fn new(number: u64) -> Option<Minor> {
        if number > Minor::MAX.0 as u64 { None } else { Some(Minor(number as u32)) }
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The minor after it; `None` after the last.
    pub const fn next(self) -> Option<Minor> {
        Minor::new((self.0 as u64).saturating_add(1))
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
