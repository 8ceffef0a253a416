//! Why a verb did not do what it was asked.

use std::io;
use std::path::PathBuf;

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("cannot read {}: {why}", .path.display())]
    Read { path: PathBuf, why: io::Error },
    #[error("cannot write {}: {why}", .path.display())]
    Write { path: PathBuf, why: io::Error },
    #[error("{0}")]
    Said(String),
    /// What is wrong with a table was shown already; this sums it up.
    #[error("{0}")]
    Table(String),
}

impl Failure {
    /// Tells the person at the terminal.
    pub(super) fn report(&self) {
        anstream::eprintln!("{ERROR}dmctl:{ERROR:#} {self}");
    }
}

const ERROR: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();
