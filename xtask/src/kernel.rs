//! The Linux kernel module: built, and tried in a machine of its own.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::failure::Failure;

mod bench;
mod build;
pub(crate) mod guest;
pub(crate) mod packages;
mod panics;
mod stack;

/// What to do with the module.
pub(crate) enum Chore {
    /// Build it for the kernel whose headers are in a folder, or for one of Debian's.
    Build(Headers),
    /// Build it, and run its tests in a virtual machine; all of them as often as they may take long.
    Test { kernel: Option<String>, full: bool },
    /// Build it, and measure it there against Linux's own device mapper.
    Bench { kernel: Option<String> },
}

/// Where the headers are.
pub(crate) enum Headers {
    Folder(PathBuf),
    /// One of those that are known, or else the one of the Debian that this runs on.
    Debian {
        kernel: Option<String>,
    },
}

/// Why something about the module failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KernelFailure {
    #[error("Debian's kernels here are {known}; there is no `{kernel}`")]
    UnknownKernel { kernel: String, known: String },

    #[error("apt offers no {package}, whose headers and kernel Linux {kernel} is taken from")]
    NotOffered { package: String, kernel: String },

    #[error("{0} has no headers of a kernel in it: there is no Makefile")]
    NoHeaders(PathBuf),

    #[error(
        "code that panics became reachable in the module; either change it so that it cannot \
         panic, or add it to dm-proc-shim/kernel/panics.txt with the reason why it never does:\n{0}"
    )]
    Panics(String),

    #[error(
        "functions of the module take too much of the kernel's stack; a value that is moved about \
         belongs in a box, and what is needed only once in a function that is not inlined:\n{0}"
    )]
    Stack(String),

    #[error("the tests in the guest failed, its log is {0}")]
    Guest(PathBuf),
}

pub(crate) fn parse(mut args: lexopt::Parser) -> Result<Chore, Failure> {
    let mut chore = None;
    let (mut kernel, mut folder, mut full) = (None, None, false);
    while let Some(arg) = args.next()? {
        match arg {
            Value(word) if chore.is_none() => chore = Some(word.string()?),
            Long("kernel") => kernel = Some(args.value()?.string()?),
            Long("full") => full = true,
            Long("kdir") => folder = Some(PathBuf::from(args.value()?)),
            other => return Err(other.unexpected().into()),
        }
    }
    match (chore.as_deref(), folder, full) {
        (Some("build"), Some(folder), false) => Ok(Chore::Build(Headers::Folder(folder))),
        (Some("build"), None, false) => Ok(Chore::Build(Headers::Debian { kernel })),
        (Some("test"), None, full) => Ok(Chore::Test { kernel, full }),
        (Some("bench"), None, false) => Ok(Chore::Bench { kernel }),
        _ => {
            Err(lexopt::Error::from("expected `kernel build`, `kernel test` or `kernel bench`")
                .into())
        }
    }
}

pub(crate) fn run(chore: &Chore) -> Result<(), Failure> {
    match chore {
        Chore::Build(Headers::Folder(folder)) => {
            // make runs elsewhere.
            let folder = folder
                .canonicalize()
                .map_err(|source| Failure::File { path: folder.clone(), source })?;
            build::module(&folder).map(|module| println!("{}", module.display()))
        }
        Chore::Build(Headers::Debian { kernel }) => {
            let kernel = packages::provide(kernel.as_deref())?;
            build::for_kernel(&kernel).map(|module| println!("{}", module.display()))
        }
        Chore::Test { kernel, full } => test(kernel.as_deref(), *full),
        Chore::Bench { kernel } => bench::run(kernel.as_deref()),
    }
}

/// Builds the module, and runs its tests in a virtual machine.
pub(crate) fn test(kernel: Option<&str>, full: bool) -> Result<(), Failure> {
    guest::install()?;
    let (words, seconds) = if full { ("FULL=1", 3600) } else { ("", 900) };
    guest::run(&packages::provide(kernel)?, "test.sh", words, guest::Clock::Real, seconds)
        .map(|_| ())
}
