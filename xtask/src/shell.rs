//! Runs other programs, and says which.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;

/// Where Debian keeps programs such as mkfs, which only root has on its path.
const SYSTEM_PROGRAMS: &[&str] = &["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The workspace's folder.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// A folder for what the chores keep between runs; git ignores it.
pub(crate) fn scratch() -> PathBuf {
    target().join("xtask")
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root().join(target)
}

/// The cargo that runs this program, with these arguments.
pub(crate) fn cargo(args: &[&str]) -> Command {
    command(env::var_os("CARGO").unwrap_or("cargo".into()), args)
}

/// A program with its arguments, to be run in the workspace's folder.
pub(crate) fn command(program: impl Into<OsString>, args: &[&str]) -> Command {
    let mut command = Command::new(program.into());
    command.args(args).current_dir(root()).env("PATH", path());
    command
}

/// Runs a program to its end; what it prints appears as it prints it.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    eprintln!("$ {}", words(command));
    let status =
        command.status().map_err(|source| Failure::Start { command: words(command), source })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Exit { command: words(command), status })
}

/// Runs a program to its end, and returns what it wrote to its standard output.
pub(crate) fn read(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|source| Failure::Start { command: words(command), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::Exit { command: words(command), status: output.status })
}

/// Whether a program runs and succeeds; what it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Whether a program of this name is on the path, or where only root looks.
pub(crate) fn has(program: &str) -> bool {
    find(program).is_some()
}

/// Where a program of this name is, on the path or where only root looks.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = path();
    let mut places = env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|place| place.is_file())
}

/// The caller's path, then [`SYSTEM_PROGRAMS`].
fn path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(SYSTEM_PROGRAMS.iter().map(PathBuf::from));
    env::join_paths(folders).unwrap_or(path)
}

/// The command as one would type it: what it sets in the environment, except the path, then the words.
pub(crate) fn words(command: &Command) -> String {
    let set = command.get_envs().filter(|(name, _)| *name != "PATH");
    let set = set.filter_map(|(name, value)| {
        let value = value?.to_string_lossy();
        let value = if value.contains(' ') { format!("'{value}'") } else { value.into_owned() };
        Some(format!("{}={value}", name.to_string_lossy()))
    });
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = [program].into_iter().chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().into_owned());
    set.chain(words).collect::<Vec<_>>().join(" ")
}

/// A process that is ended when this is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It fails where it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
