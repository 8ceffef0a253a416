//! Why a chore failed.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a chore failed, in words that say what to do next where that is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}\n\n{help}", help = crate::cli::help())]
    Arguments(#[from] lexopt::Error),

    #[error("cannot run `{command}`: {source}")]
    Start { command: String, source: io::Error },

    #[error("`{command}` failed, {status}")]
    Exit { command: String, status: ExitStatus },

    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },

    #[error("{programs}: not installed; as root, run this, then try again:\n    {command}")]
    Packages { programs: String, command: String },

    #[error(
        "the lists of packages are missing or old; as root, run `apt-get update`, then try again"
    )]
    NoUpdate,

    #[error("{0}: not installed, and there is no apt-get; install your system's packages of them")]
    NoAptGet(String),

    #[error(
        "{component}: not installed; run `rustup component add {component}`, or install the package \
         of it that goes with your rustc"
    )]
    Component { component: &'static str },

    #[error(
        "nothing here has `core` for {target}: `rustup target add {target}` does not work, and \
         there is no source of rustc {release}'s library: {why}\n\
         Run `rustup target add {target}` or `rustup component add rust-src` where it can \
         download, or put the source of that very release at {wanted}",
        target = crate::bare_metal::TARGET,
        wanted = wanted.display(),
    )]
    NoCore { release: String, why: String, wanted: PathBuf },

    #[error(
        "Debian's rust-src must be of rustc's own release, {release}; the archive has {}",
        if found.is_empty() { "none".to_owned() } else { found.join(", ") }
    )]
    NoMatchingSource { release: String, found: Vec<String> },

    #[error("apt is not set up for any Debian archive")]
    NoArchive,

    #[error("`rustc --version --verbose` names no release")]
    NoRelease,

    #[error(transparent)]
    Io(#[from] crate::io::IoFailure),

    #[error(transparent)]
    Kernel(#[from] crate::kernel::KernelFailure),

    #[error(transparent)]
    Soak(#[from] crate::soak::SoakFailure),

    #[error(transparent)]
    Trace(#[from] crate::trace::TraceFailure),

    #[error("the {sanitizer} sanitizer has something to say about {count} processes")]
    Sanitizer { sanitizer: String, count: usize },

    #[error("steps that failed: {0}")]
    Steps(String),
}
