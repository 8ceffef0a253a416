//! Builds the no_std crates for a machine without an operating system.
//!
//! This proves that they stand on `core` and `alloc` alone: the target has no `std` to lean on.

use std::fmt;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::{rust_src, shell};

pub(crate) const TARGET: &str = "x86_64-unknown-none";

/// The crates that need no operating system, lowest layer first.
const CRATES: &[&str] =
    &["dm-sync", "dm-table", "dm-btree", "dm-targets", "dm-core", "dm-proc-shim"];

/// Where `core` and `alloc` for [`TARGET`] come from.
pub(crate) enum Core {
    /// The toolchain has them built.
    Built,
    /// Cargo builds them, from the library's source in this folder.
    Source(PathBuf),
}

/// Builds each crate by itself and with no feature on, so that none leans on what another asks for.
pub(crate) fn run() -> Result<(), Failure> {
    let core = provide()?;
    for name in CRATES {
        let mut cargo =
            shell::cargo(&["rustc", "--lib", "--no-default-features", "--target", TARGET]);
        cargo.args(["--package", name]);
        if let Core::Source(library) = &core {
            cargo.arg("-Zbuild-std=core,alloc");
            // Stable cargo builds `core` only when told that it may, and looks for its source in the
            // toolchain only, unless told where.
            cargo.env("RUSTC_BOOTSTRAP", "1");
            cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
            // Build scripts look at that permission too: elsewhere, so that the host's build stays.
            cargo.arg("--target-dir").arg(shell::scratch().join("bare-metal"));
        }
        shell::run(cargo.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// Finds `core` for [`TARGET`], or gets it: built, from rustup, or as source, from Debian.
pub(crate) fn provide() -> Result<Core, Failure> {
    let toolchain = rust_src::Toolchain::find()?;
    let built = toolchain.rustlib().join(TARGET).join("lib");
    if built.is_dir() {
        return Ok(Core::Built);
    }
    if let Some(library) = toolchain.source() {
        return Ok(Core::Source(library));
    }
    eprintln!("setup: `core` for {TARGET} is missing (building the no_std crates for it)");
    let added = shell::run(&mut shell::command("rustup", &["target", "add", TARGET]));
    if added.is_ok() && built.is_dir() {
        return Ok(Core::Built);
    }
    eprintln!("setup: rustup cannot add it; getting the source of `core` from a Debian package");
    match toolchain.fetch_source() {
        Ok(library) => Ok(Core::Source(library)),
        Err(why) => Err(Failure::NoCore {
            why: why.to_string(),
            wanted: toolchain.rustlib().join(rust_src::IN_RUSTLIB),
            release: toolchain.release,
        }),
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Built => f.write_str("built, in the toolchain"),
            Self::Source(library) => write!(f, "from source, {}", library.display()),
        }
    }
}
