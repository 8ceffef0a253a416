//! Debian's packages, downloaded without installing them.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::shell;

/// Signs Debian's suites; on any Debian, and on nothing else.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt with lists and caches in a folder of its own, which follows the system's settings otherwise.
pub(crate) struct PrivateApt<'a> {
    folder: &'a Path,
}

impl<'a> PrivateApt<'a> {
    /// Prepares the folder, and gets the lists: of the suites, from each archive that the system's apt
    /// is set up for.
    pub(crate) fn create(folder: &'a Path, suites: &[&str]) -> Result<Self, Failure> {
        let uris = shell::read(&mut shell::command("apt-get", &["update", "--print-uris"]))?;
        let archives = archives(&uris);
        if archives.is_empty() {
            return Err(Failure::NoArchive);
        }
        create_folder(&folder.join("lists/partial"))?;
        create_folder(&folder.join("cache/archives/partial"))?;
        let list = folder.join("sources.list");
        let lines = archives.iter().flat_map(|uri| {
            suites
                .iter()
                .map(move |suite| format!("deb [signed-by={KEYRING}] {uri} {suite} main\n"))
        });
        fs::write(&list, lines.collect::<String>()).map_err(file(&list))?;
        // Nothing is installed, as far as it knows: what is needed is then downloaded whole.
        let installed = folder.join("installed");
        fs::write(&installed, "").map_err(file(&installed))?;
        let apt = Self { folder };
        apt.run("apt-get", &["--quiet=2", "update"])?;
        Ok(apt)
    }

    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Result<(), Failure> {
        shell::run(&mut self.command(program, args))
    }

    pub(crate) fn command(&self, program: &str, args: &[&str]) -> std::process::Command {
        let mut command = shell::command(program, args);
        for (option, place) in [
            ("Dir::Etc::SourceList", "sources.list"),
            ("Dir::Etc::SourceParts", "none"),
            ("Dir::State::Lists", "lists"),
            ("Dir::Cache", "cache"),
            ("Dir::State::Status", "installed"),
        ] {
            command.arg("--option");
            command.arg(format!("{option}={}", self.folder.join(place).display()));
        }
        // As root, apt would download as a user who cannot write to this folder.
        command.args(["--option", "APT::Sandbox::User=root"]).current_dir(self.folder);
        command
    }
}

/// The archives named by `apt-get update --print-uris`, without those that only mend a release.
///
/// A line is `'<archive>/dists/<suite>/InRelease' <file name> <size>`.
fn archives(uris: &str) -> Vec<&str> {
    let mut archives = Vec::new();
    for line in uris.lines() {
        let Some(uri) = line.split('\'').nth(1).and_then(|uri| uri.strip_suffix("/InRelease"))
        else {
            continue;
        };
        let Some((archive, suite)) = uri.split_once("/dists/") else {
            continue;
        };
        if !suite.contains("-security") && !archives.contains(&archive) {
            archives.push(archive);
        }
    }
    archives
}

pub(crate) fn create_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(file(path))
}

pub(crate) fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file(path)(error)),
        _ => Ok(()),
    }
}

pub(crate) fn file(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
