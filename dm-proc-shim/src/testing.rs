//! Scripts of control commands and their answers, which run against any surface: the sessions of
//! this crate, a control socket, a mounted control filesystem, the kernel's `/proc`. Where all of
//! them pass, all of them are the same.
//!
//! A script is text, a step a line. Blank lines and lines with `#` are skipped.
//!
//! | line | meaning |
//! |---|---|
//! | `> <path> [<text>]` | write `<text>` as a line to the file, through an open of its own |
//! | `< <path>` | read the file |
//! | `\| <text>` | one more line of what is written, or of what must be read |
//! | `! <Errno>: <message>` | the step before must be refused so; without one it must succeed |
//! | `!close <Errno>: <message>` | likewise, but where the surface cannot refuse a close, it may succeed |
//!
//! `<Errno>` is a variant of [`Errno`]; the message is compared on surfaces that tell one. `$A`, `$B`
//! and so on are the surface's [devices](Surface::devices), `$00` to `$ff` bytes, and `$(12+A)` is a
//! number: 12 and the length of `$A`, for columns behind it. In what is read, the word `*` is any word.
//!
//! A script starts without mapped devices and has to end without.

use std::boxed::Box;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

mod model;
mod script;
mod sessions;
mod steps;

pub use script::{Failure, run};
pub use sessions::Sessions;
pub use steps::{DataError, DataSurface, Seeds, run_steps};

use crate::{Errno, ShimError};

/// The scripts that every surface passes: name and text.
pub const SCRIPTS: &[(&str, &str)] = &[
    ("proposal", include_str!("../tests/scripts/proposal.script")),
    ("devices", include_str!("../tests/scripts/devices.script")),
    ("tables", include_str!("../tests/scripts/tables.script")),
    ("stacked", include_str!("../tests/scripts/stacked.script")),
    ("refused", include_str!("../tests/scripts/refused.script")),
];

/// How many sectors each of a surface's devices must have, no fewer and no more.
pub const DEVICE_SECTORS: u64 = 2048;

/// Something that offers the files of a device mapper.
///
/// Paths are those of [`File::find`](crate::File::find). Where `/proc` has one file for a device,
/// [`Proc`] makes them up from it.
pub trait Surface {
    /// Backing devices for `$A`, `$B`, `$C`, in the spelling that tables print: three at least, each
    /// of [`DEVICE_SECTORS`] with logical blocks of one sector. A spelling is one word of at most 64
    /// characters, without backslashes.
    fn devices(&self) -> Vec<String>;

    /// Opens a file, writes to it, and closes it.
    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal>;

    /// Opens a file and reads all of it.
    fn read(&mut self, path: &str) -> Result<String, Refusal>;

    /// Whether an error that is only found when the file is closed is told to whoever closes it.
    /// Linux has no way to do so for a file in `/proc`.
    fn refuses_close(&self) -> bool {
        true
    }
}

/// What a surface answers instead of doing what it is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The kind of error.
    pub errno: Errno,
    /// What it says, where the surface can say anything.
    pub message: Option<String>,
}

impl Refusal {
    /// The refusal of a surface that gives only Linux's number; `None` if no [`Errno`] has it.
    pub fn from_number(number: i32) -> Option<Refusal> {
        let errno = Errno::ALL.into_iter().find(|errno| errno.number() == number)?;
        Some(Refusal { errno, message: None })
    }
}

impl From<ShimError> for Refusal {
    fn from(error: ShimError) -> Refusal {
        Refusal { errno: error.errno(), message: Some(error.to_string()) }
    }
}

impl<S: Surface + ?Sized> Surface for Box<S> {
    fn devices(&self) -> Vec<String> {
        (**self).devices()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        (**self).write(path, bytes)
    }

    fn read(&mut self, path: &str) -> Result<String, Refusal> {
        (**self).read(path)
    }

    fn refuses_close(&self) -> bool {
        (**self).refuses_close()
    }
}

/// A surface that only has `control`, `targets` and one file for a device, as `/proc` has.
///
/// A device's `table` is written to that file, its `state` and `message` as commands to `control`;
/// all are read from the sections of that file.
pub struct Proc<S>(pub S);

impl<S: Surface> Surface for Proc<S> {
    fn devices(&self) -> Vec<String> {
        self.0.devices()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        // What is said of columns is of no use once words were put before them.
        let without_message = |refusal: Refusal| Refusal { message: None, ..refusal };
        // `message <name> <line>`; or, without a verb before it, `<first word> <name> <rest>`.
        let command = |verb: &str, name: &str| {
            bytes.split_inclusive(|&byte| byte == b'\n').fold(Vec::new(), |mut lines, line| {
                let line = line.trim_ascii();
                let blank = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
                let (front, rest) = line.split_at(if verb.is_empty() { blank } else { 0 });
                for word in [verb.as_bytes(), front, name.as_bytes(), rest] {
                    lines.extend_from_slice(word);
                    lines.push(b' ');
                }
                lines.push(b'\n');
                lines
            })
        };
        match path.split_once('/') {
            Some((name, "table")) => self.0.write(name, bytes),
            Some((name, "state")) => {
                let lines = command("", name);
                self.0.write("control", &lines).map_err(without_message)
            }
            Some((name, "message")) => {
                let lines = command("message", name);
                self.0.write("control", &lines).map_err(without_message)
            }
            _ => self.0.write(path, bytes),
        }
    }

    fn read(&mut self, path: &str) -> Result<String, Refusal> {
        match path.split_once('/') {
            Some((name, section)) => Ok(section_of(&self.0.read(name)?, section)),
            None => self.0.read(path),
        }
    }

    fn refuses_close(&self) -> bool {
        self.0.refuses_close()
    }
}

/// What a device's file in `/proc` says under one heading.
///
/// # Panics
/// If there is no such heading.
pub fn section_of(text: &str, heading: &str) -> String {
    let mut lines = text.lines();
    let rest = lines
        .find_map(|line| line.strip_prefix(heading))
        .unwrap_or_else(|| panic!("no section {heading} in:\n{text}"));
    match rest.strip_prefix(' ') {
        Some(value) => format!("{value}\n"),
        None => lines
            .map_while(|line| line.strip_prefix("  "))
            .map(|line| format!("{line}\n"))
            .collect(),
    }
}
