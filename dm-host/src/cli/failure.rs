//! Why a verb did not do what it was asked.

use std::io;
use std::path::PathBuf;

use super::mover::MoveError;
use super::output::complain;
use crate::control::ClientError;
use crate::daemon::DaemonError;

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("cannot read {}: {why}", .path.display())]
    Read { path: PathBuf, why: io::Error },
    #[error("cannot write {}: {why}", .path.display())]
    Write { path: PathBuf, why: io::Error },
    #[error("{0}")]
    Said(String),
    #[error("{name}: {why}")]
    Device { name: String, why: ClientError },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Move(#[from] MoveError),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
}

impl Failure {
    /// Tells the person at the terminal.
    pub(super) fn report(&self) {
        complain(format_args!("{ERROR}dmctl:{ERROR:#} {self}"));
        if let Failure::Client(ClientError::NoDaemon { .. }) = self {
            complain(
                "Start one with `dmctl serve`, or with `dmctl mount DIR` to have its control \
                 filesystem too. If it runs elsewhere, say where with --dir or $DMCTL_DIR.",
            );
        }
    }
}

const ERROR: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();
