//! The source of Rust's own library, of the very release of the compiler.
//!
//! A toolchain may have it; if not, Debian packages it (`rust-src`). The package is downloaded and
//! unpacked into this project's target folder: nothing is installed, root is not needed, and the
//! system's own list of archives stays as it is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::apt::{PrivateApt, create_folder, file, remove};
use crate::failure::Failure;
use crate::shell;

/// Where a toolchain keeps the source, under its `lib/rustlib`.
pub(crate) const IN_RUSTLIB: &str = "src/rust/library";

/// The suite of Debian's archive that carries recent releases of `rust-src`.
const SUITE: &str = "trixie-backports";

/// The compiler in use.
pub(crate) struct Toolchain {
    /// For instance `1.95.0`.
    pub(crate) release: String,
    sysroot: PathBuf,
}

impl Toolchain {
    pub(crate) fn find() -> Result<Self, Failure> {
        let version = shell::read(&mut shell::command("rustc", &["--version", "--verbose"]))?;
        let release = version.lines().find_map(|line| line.strip_prefix("release: "));
        let sysroot = shell::read(&mut shell::command("rustc", &["--print", "sysroot"]))?;
        Ok(Self {
            release: release.ok_or(Failure::NoRelease)?.to_owned(),
            sysroot: sysroot.trim_end().into(),
        })
    }

    pub(crate) fn rustlib(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib")
    }

    /// The source, if it is in the toolchain or was fetched before.
    pub(crate) fn source(&self) -> Option<PathBuf> {
        let places = [self.rustlib().join(IN_RUSTLIB), self.fetched()];
        places.into_iter().find(|library| library.join("Cargo.lock").is_file())
    }

    fn fetched(&self) -> PathBuf {
        shell::scratch().join("rust-src").join(&self.release)
    }

    /// Gets the source from Debian's package, about 45 MB to download.
    pub(crate) fn fetch_source(&self) -> Result<PathBuf, Failure> {
        let work = shell::scratch().join("apt");
        remove(&work)?;
        let apt = PrivateApt::create(&work, &[SUITE])?;
        let offered = shell::read(&mut apt.command("apt-cache", &["madison", "rust-src"]))?;
        let version = matching(&offered, &self.release)?;
        apt.run("apt-get", &["--quiet=2", "download", &format!("rust-src={version}")])?;

        let package = only_deb(&work)?;
        shell::run(shell::command("dpkg-deb", &["--extract"]).arg(package).arg(&work))?;
        let unpacked = work.join("usr/src").join(format!("rustc-{}", self.release)).join("library");
        let library = self.fetched();
        create_folder(library.parent().unwrap_or(&library))?;
        fs::rename(&unpacked, &library).map_err(file(&unpacked))?;
        remove(&work)?;
        Ok(library)
    }
}

/// The package version of this release, in a list by `apt-cache madison`.
///
/// A line is `rust-src | <version> | <archive>`; a version, `<release>+dfsg1-2~bpo13+1`.
fn matching<'a>(madison: &'a str, release: &str) -> Result<&'a str, Failure> {
    let versions = madison.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    let of_release = |version: &&str| {
        let rest = version.strip_prefix(release);
        rest.is_some_and(|rest| rest.starts_with(['+', '-']))
    };
    versions.clone().find(of_release).ok_or_else(|| Failure::NoMatchingSource {
        release: release.to_owned(),
        found: versions.map(str::to_owned).collect(),
    })
}

/// The one package file in a folder that something was just downloaded to.
fn only_deb(folder: &Path) -> Result<PathBuf, Failure> {
    let files = fs::read_dir(folder).map_err(file(folder))?.filter_map(Result::ok);
    let mut debs =
        files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "deb"));
    debs.next().ok_or_else(|| file(folder)(std::io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests;
