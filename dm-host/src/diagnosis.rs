//! One error of a table, as it is told to people and to programs.

use dm_core::table_text::Position;
use dm_core::targets::{CtrReason, OpenError};
use dm_core::{LoadError, LoadReason};
use serde::{Deserialize, Serialize};

/// One error of a table. As JSON its keys are those of the fields.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The line of the text, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What might help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Diagnosis {
    /// Diagnoses an error.
    pub fn of(error: &LoadError<'_>) -> Diagnosis {
        Diagnosis {
            line: error.at.line,
            column: error.at.column,
            message: error.reason.to_string(),
            help: help(&error.reason),
        }
    }

    /// Where in the text it is.
    pub fn at(&self) -> Position {
        Position { line: self.line, column: self.column }
    }
}

fn help(reason: &LoadReason<'_>) -> Option<String> {
    match reason {
        LoadReason::Target { target, usage, reason } => match reason {
            CtrReason::Open { device, why: OpenError::NotFound }
                if !device.bytes().starts_with(b"/") =>
            {
                let from = std::env::current_dir().ok()?;
                Some(format!("names without a / in front are looked up in {}", from.display()))
            }
            CtrReason::Argument(_) if usage.is_empty() => {
                Some(format!("a line is: <start> <length> {target}"))
            }
            CtrReason::Argument(_) | CtrReason::Bounds { .. } => {
                Some(format!("a line is: <start> <length> {target} {usage}"))
            }
            _ => None,
        },
        LoadReason::UnknownTarget { nearest: None, .. } => {
            Some("`dmctl targets` lists what each of them takes".into())
        }
        LoadReason::Text(dm_core::table_text::TableReason::Word(_)) => {
            Some("a line is: <start> <length> <target type> <arguments>".into())
        }
        _ => None,
    }
}
