//! Why nothing was moved, or not all.

use std::io;
use std::path::PathBuf;

/// Why nothing was moved, or not all.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum MoveError {
    #[error("--lines: expected numbers and ranges of lines, such as 1,3-5, found `{0}`")]
    Lines(String),
    #[error("--lines: the table has {lines} lines, there is no line {found}")]
    NoSuchLine { found: usize, lines: usize },
    #[error("line {line} is {target}; only linear lines can be moved")]
    NotLinear { line: usize, target: String },
    #[error("no line of the table {0}")]
    Nothing(&'static str),
    #[error("the device is read-only")]
    ReadOnly,
    #[error("the device has no table")]
    NoTable,
    #[error("--to: {0}")]
    Destination(String),
    #[error(
        "--to: sectors {start} to {last} of {device} are in use already, by line {line} of {user}"
    )]
    Overlap { device: String, start: u64, last: u64, line: usize, user: String },
    #[error(
        "a move of {name} is not over ({}): go on with --resume, or give it up with --abort",
        .record.display()
    )]
    Unfinished { name: String, record: PathBuf },
    #[error("there is no move of {name} to go on with or to give up: no {}", .record.display())]
    NoRecord { name: String, record: PathBuf },
    #[error("{}: {why}", .record.display())]
    Record { record: PathBuf, why: io::Error },
    #[error("{} is no record of a move: {why}", .record.display())]
    NotARecord { record: PathBuf, why: serde_json::Error },
    #[error("another `dmctl move` of {name} is at work; end it first")]
    AtWork { name: String },
    #[error(
        "the table of {name} is none of those that the move would have left it with; those are in {}",
        .record.display()
    )]
    Changed { name: String, record: PathBuf },
    #[error(
        "line {line}: {device} has failed; {name} is back on {source_device} alone, where nothing is \
         missing"
    )]
    DestinationFailed { name: String, line: usize, device: String, source_device: String },
    #[error(
        "line {line}: sectors of {device} cannot be read, and so not be moved; {name} is back on it \
         alone"
    )]
    SourceUnreadable { name: String, line: usize, device: String },
    #[error(
        "line {line}: a write to {device} has failed, so that it may miss something that {other} \
         has; {name} stays on both, and `dmctl move {name} --resume` tries again"
    )]
    SourceFailed { name: String, line: usize, device: String, other: String },
    #[error(
        "when {name} was last in use, a write to {device} had failed: which of the tables `before` \
         and `after` in {} is right for line {line} is not known",
        .record.display()
    )]
    Doubtful { name: String, line: usize, device: String, record: PathBuf },
}
