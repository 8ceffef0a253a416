//! What the server answers.

use std::io::{self, Write};

use dm_core::LoadError;
use dm_proc_shim::{Errno, ShimError};
use serde::{Deserialize, Serialize};

use crate::Diagnosis;

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// The class of an error, as the wire has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Class(pub String);

impl Class {
    /// The class of errors whose text is a [`Refusal`].
    pub const TABLE: &str = "table";
    pub(super) const REQUEST: &str = "request";

    /// The kind of error it stands for; `None` for what only this protocol has.
    pub fn errno(&self) -> Option<Errno> {
        Errno::ALL.into_iter().find(|&errno| class(errno) == self.0)
    }
}

/// A table was refused.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// How many errors it has.
    pub errors: u64,
    /// The first of them.
    pub diagnoses: Vec<Diagnosis>,
}

impl Refusal {
    /// How many diagnoses one answer has room for.
    const SHOWN: usize = 1000;

    pub(crate) fn add(&mut self, error: &LoadError<'_>) {
        self.errors += 1;
        if self.diagnoses.len() < Refusal::SHOWN {
            self.diagnoses.push(Diagnosis::of(error));
        }
    }
}

impl Refused {
    pub(super) fn request(text: impl Into<String>) -> Refused {
        Refused { class: Class::REQUEST, text: text.into() }
    }

    pub(super) fn new(errno: Errno, text: impl ToString) -> Refused {
        Refused { class: class(errno), text: text.to_string() }
    }

    pub(super) fn table(refusal: &Refusal) -> Refused {
        Refused { class: Class::TABLE, text: serde_json::to_string(refusal).unwrap_or_default() }
    }
}

impl From<ShimError> for Refused {
    fn from(error: ShimError) -> Refused {
        Refused::new(error.errno(), error)
    }
}

fn class(errno: Errno) -> &'static str {
    match errno {
        Errno::NoEntry => "no-entry",
        Errno::Interrupted => "interrupted",
        Errno::NoMemory => "no-memory",
        Errno::Access => "access",
        Errno::Busy => "busy",
        Errno::Exists => "exists",
        Errno::NoDevice => "no-device",
        Errno::Invalid => "invalid",
        Errno::TooBig => "too-big",
        Errno::NoSpace => "no-space",
    }
}

/// Sends an answer.
pub(super) fn send(out: &mut impl Write, answer: &Result<String, Refused>) -> io::Result<()> {
    let text = match answer {
        Ok(text) => {
            writeln!(out, "ok {}", text.len())?;
            text
        }
        Err(Refused { class, text }) => {
            writeln!(out, "error {class} {}", text.len())?;
            text
        }
    };
    out.write_all(text.as_bytes())?;
    out.flush()
}
