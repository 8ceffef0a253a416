//! Installs what the tests need and the system lacks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::failure::Failure;
use crate::{bare_metal, shell};

/// A program the tests run, the Debian package that has it, and what it is for.
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

const TOOLS: &[Tool] = &[
    tool("fio", "fio", "verified I/O over NBD"),
    tool("nbdinfo", "libnbd-bin", "an NBD client"),
    tool("nbdcopy", "libnbd-bin", "an NBD client"),
    tool("nbdsh", "python3-libnbd", "an NBD client"),
    tool("qemu-img", "qemu-utils", "an NBD client"),
    tool("qemu-nbd", "qemu-utils", "an NBD server"),
    tool("nbdkit", "nbdkit", "an NBD server"),
    tool("mkfs.ext4", "e2fsprogs", "a file system on a mapped device"),
    tool("mkfs.xfs", "xfsprogs", "recording traces on xfs"),
    tool("bonnie++", "bonnie++", "recording traces of it"),
    tool("fusermount3", "fuse3", "mounting the control filesystem without root"),
    tool("strace", "strace", "system calls that are interrupted"),
    tool("valgrind", "valgrind", "counting instructions"),
];

pub(crate) const fn tool(program: &'static str, package: &'static str, why: &'static str) -> Tool {
    Tool { program, package, why }
}

/// Installs what is missing, and says what and why; fails, saying what to install, where it cannot.
pub(crate) fn run() -> Result<(), Failure> {
    packages(TOOLS)?;
    component("fmt", "rustfmt")?;
    component("clippy", "clippy")?;
    bare_metal::provide().map(|core| eprintln!("setup: core for {}: {core}", bare_metal::TARGET))
}

/// Installs the packages of the programs that are missing.
pub(crate) fn packages(tools: &'static [Tool]) -> Result<(), Failure> {
    let missing = missing(tools, shell::has);
    if missing.is_empty() {
        eprintln!("setup: every program the tests run is here");
        return Ok(());
    }
    for Tool { program, package, why } in &missing {
        eprintln!("setup: {program} is missing ({why}), and is in the package {package}");
    }
    if !shell::has("apt-get") {
        return Err(Failure::NoAptGet(programs(&missing)));
    }
    let mut packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    packages.dedup();
    let Some(sudo) = sudo() else {
        return Err(not_installed(&missing, &packages));
    };
    // An archive that is down need not be one of those that are needed: let the install decide.
    if let Err(failure) = shell::run(apt_get(sudo).arg("update")) {
        eprintln!("setup: {failure}; trying with the lists that are here");
    }
    let mut install = apt_get(sudo);
    install.args(["install", "--yes", "--no-install-recommends"]);
    shell::run(install.args(&packages))?;
    if missing.iter().any(|tool| !shell::has(tool.program)) {
        return Err(not_installed(&missing, &packages));
    }
    Ok(())
}

/// Gets new lists of packages.
pub(crate) fn update() -> Result<(), Failure> {
    let sudo = sudo().ok_or(Failure::NoUpdate)?;
    shell::run(apt_get(sudo).arg("update"))
}

fn not_installed(missing: &[&Tool], packages: &[&str]) -> Failure {
    let packages = packages.join(" ");
    Failure::Packages {
        programs: programs(missing),
        command: format!("apt-get update && apt-get install --yes {packages}"),
    }
}

fn programs(missing: &[&Tool]) -> String {
    let names: Vec<_> = missing.iter().map(|tool| tool.program).collect();
    names.join(", ")
}

/// Those of the tools whose program `has` does not find.
fn missing(tools: &'static [Tool], has: impl Fn(&str) -> bool) -> Vec<&'static Tool> {
    tools.iter().filter(|tool| !has(tool.program)).collect()
}

/// What to write before a command that needs root: nothing, or sudo where it asks for no password.
fn sudo() -> Option<&'static [&'static str]> {
    if fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0) {
        return Some(&[]);
    }
    let works = shell::succeeds(&mut shell::command("sudo", &["-n", "true"]));
    works.then_some(&["sudo", "-n"])
}

fn apt_get(sudo: &[&str]) -> Command {
    let words = [sudo, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]].concat();
    let mut command = shell::command(words[0], &words[1..]);
    command.args(["--quiet=2", "--option=DPkg::Lock::Timeout=300", "--option=DPkg::Use-Pty=0"]);
    command
}

/// Adds a component of the toolchain, where `cargo <command>` is missing and rustup can.
fn component(command: &str, component: &'static str) -> Result<(), Failure> {
    let here = || shell::succeeds(&mut shell::cargo(&[command, "--version"]));
    if here() {
        return Ok(());
    }
    eprintln!("setup: `cargo {command}` is missing, adding rustup's {component}");
    let added = shell::run(&mut shell::command("rustup", &["component", "add", component]));
    if added.is_ok() && here() {
        return Ok(());
    }
    Err(Failure::Component { component })
}

#[cfg(test)]
mod tests;
