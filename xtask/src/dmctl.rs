//! The project's own program, as chores start it.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::shell;

/// Builds `dmctl` as it is shipped, and returns where it is.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    let words = ["build", "--release", "--package", "dm-host", "--bin", "dmctl"];
    shell::run(&mut shell::cargo(&words))?;
    Ok(program())
}

/// Where it is once it is built.
pub(crate) fn program() -> PathBuf {
    shell::target().join("release/dmctl")
}
