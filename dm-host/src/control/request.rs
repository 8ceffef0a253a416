//! What clients ask for.

use dm_core::{DeviceName, Minor, Mode, Uuid};
use dm_proc_shim::MAX_TABLE;

use super::answer::Refused;

/// A request, as its line says. A number of bytes follows the line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    Read { path: String },
    Write { path: String, bytes: u64 },
    Wait { name: String, event: u64 },
    Message { name: String, bytes: u64 },
    Create { new: Box<NewDevice>, bytes: u64 },
    Load { name: String, mode: Mode, bytes: u64 },
    Check { mode: Mode, bytes: u64 },
    Switch { name: String, bytes: u64 },
    Turn { name: String },
    Info { name: Option<String> },
    Targets,
    Figures { name: Option<String> },
    Metrics,
    Export { name: String, queues: u64, bytes: u64 },
    ExportUblk { name: String, queues: u64 },
    Unexport { bytes: u64 },
}

/// What a device is created with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NewDevice {
    pub(super) name: DeviceName,
    pub(super) mode: Mode,
    pub(super) minor: Option<Minor>,
    pub(super) uuid: Option<Uuid>,
}

/// The longest line of a request, in bytes.
pub(super) const MAX_LINE: u64 = 4096;

impl Request {
    /// How many bytes follow its line.
    pub(super) fn bytes(&self) -> u64 {
        match *self {
            Request::Write { bytes, .. }
            | Request::Message { bytes, .. }
            | Request::Create { bytes, .. }
            | Request::Load { bytes, .. }
            | Request::Check { bytes, .. }
            | Request::Switch { bytes, .. }
            | Request::Export { bytes, .. }
            | Request::Unexport { bytes } => bytes,
            Request::Read { .. }
            | Request::Wait { .. }
            | Request::Turn { .. }
            | Request::ExportUblk { .. }
            | Request::Info { .. }
            | Request::Targets
            | Request::Figures { .. }
            | Request::Metrics => 0,
        }
    }

    pub(super) fn parse(line: &str) -> Result<Request, Refused> {
        let mut words = Words(line.split_ascii_whitespace());
        let verb = words.next("a request")?;
        let request = match verb {
            "read" => Request::Read { path: words.next("a path")?.into() },
            "write" => Request::Write { path: words.next("a path")?.into(), bytes: words.bytes()? },
            "wait" => Request::Wait {
                name: words.next("a name")?.into(),
                event: words.number("an event number")?,
            },
            "message" => {
                Request::Message { name: words.next("a name")?.into(), bytes: words.bytes()? }
            }
            "create" => {
                let new = NewDevice {
                    name: words.parse("a name")?,
                    mode: words.mode()?,
                    minor: words.minor()?,
                    uuid: words.uuid()?,
                };
                Request::Create { new: Box::new(new), bytes: words.bytes()? }
            }
            "load" => Request::Load {
                name: words.next("a name")?.into(),
                mode: words.mode()?,
                bytes: words.bytes()?,
            },
            "check" => Request::Check { mode: words.mode()?, bytes: words.bytes()? },
            "switch" => {
                Request::Switch { name: words.next("a name")?.into(), bytes: words.bytes()? }
            }
            "turn" => Request::Turn { name: words.next("a name")?.into() },
            "info" => Request::Info { name: words.0.next().map(str::to_owned) },
            "targets" => Request::Targets,
            "figures" => Request::Figures { name: words.0.next().map(str::to_owned) },
            "metrics" => Request::Metrics,
            "export" => Request::Export {
                name: words.next("a name")?.into(),
                queues: words.number("a number of queues")?,
                bytes: words.bytes()?,
            },
            "export-ublk" => Request::ExportUblk {
                name: words.next("a name")?.into(),
                queues: words.number("a number of queues")?,
            },
            "unexport" => Request::Unexport { bytes: words.bytes()? },
            _ => {
                let known = "read, write, wait, message, create, load, check, switch, turn, \
                             info, targets, figures, metrics, export, export-ublk, unexport";
                return Err(Refused::request(format!(
                    "unknown request `{}`; known are {known}",
                    verb.escape_debug()
                )));
            }
        };
        match words.0.next() {
            None => Ok(request),
            Some(extra) => Err(Refused::request(format!(
                "expected the end of the line, found `{}`",
                extra.escape_debug()
            ))),
        }
    }
}

struct Words<'l>(std::str::SplitAsciiWhitespace<'l>);

impl<'l> Words<'l> {
    fn next(&mut self, what: &str) -> Result<&'l str, Refused> {
        let missing = || Refused::request(format!("expected {what}, found the end of the line"));
        self.0.next().ok_or_else(missing)
    }

    fn parse<T>(&mut self, what: &str) -> Result<T, Refused>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        let word = self.next(what)?;
        let wrong = |why: T::Err| {
            let found = word.escape_debug();
            Refused::new(
                dm_proc_shim::Errno::Invalid,
                format!("expected {what}, found `{found}`: {why}"),
            )
        };
        word.parse().map_err(wrong)
    }

    fn number(&mut self, what: &str) -> Result<u64, Refused> {
        self.parse(what)
    }

    fn bytes(&mut self) -> Result<u64, Refused> {
        let bytes = self.number("a number of bytes")?;
        if bytes > MAX_TABLE as u64 {
            return Err(Refused::request(format!("at most {MAX_TABLE} bytes are allowed")));
        }
        Ok(bytes)
    }

    fn mode(&mut self) -> Result<Mode, Refused> {
        match self.next("rw or ro")? {
            "rw" => Ok(Mode::ReadWrite),
            "ro" => Ok(Mode::ReadOnly),
            _ => Err(Refused::request("expected rw or ro")),
        }
    }

    fn minor(&mut self) -> Result<Option<Minor>, Refused> {
        if self.0.clone().next() == Some("-") {
            self.0.next();
            return Ok(None);
        }
        let number = self.number("a minor number or -")?;
        let wrong = || {
            let text = format!("minor {number} is past {}, the highest", Minor::MAX);
            Refused::new(dm_proc_shim::Errno::Invalid, text)
        };
        Minor::new(number).map(Some).ok_or_else(wrong)
    }

    fn uuid(&mut self) -> Result<Option<Uuid>, Refused> {
        if self.0.clone().next() == Some("-") {
            self.0.next();
            return Ok(None);
        }
        self.parse("a uuid or -").map(Some)
    }
}

#[cfg(test)]
mod tests;
