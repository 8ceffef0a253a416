//! The kernel module's `/proc/device-mapper`, tried from outside: run in a virtual machine by
//! `cargo xtask kernel test`.
//!
//! - `proc scripts DEVICE DEVICE DEVICE` runs the scripts that every surface passes, on devices
//!   given as `major:minor`, each of 2,048 sectors.
//! - `proc wait FILE COMMAND...` polls a file of `/proc/device-mapper` for a change that the command
//!   makes: there must be none before, and one after.
//! - `proc memory` refuses each allocation of each operation; its devices lie on `/dev/a` and `/dev/b`.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;

use dm_proc_shim::testing::{Proc, Refusal, SCRIPTS, Surface, run};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

mod memory;

const FOLDER: &str = "/proc/device-mapper";

struct Files {
    devices: Vec<String>,
}

impl Files {
    fn open(&self, path: &str, write: bool) -> Result<File, Refusal> {
        let path = format!("{FOLDER}/{path}");
        let opened = File::options().read(!write).write(write).open(&path);
        opened.map_err(|error| refusal(&path, &error))
    }
}

impl Surface for Files {
    fn devices(&self) -> Vec<String> {
        self.devices.clone()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        if bytes.is_empty() {
            return self.open(path, true).map(|_| ());
        }
        self.open(path, true)?.write_all(bytes).map_err(|error| refusal(path, &error))
    }

    fn read(&mut self, path: &str) -> Result<String, Refusal> {
        let mut text = String::new();
        let read = self.open(path, false)?.read_to_string(&mut text);
        read.map(|_| text).map_err(|error| refusal(path, &error))
    }

    fn refuses_close(&self) -> bool {
        false
    }
}

fn refusal(path: &str, error: &std::io::Error) -> Refusal {
    let number = error.raw_os_error().unwrap_or_default();
    Refusal::from_number(number).unwrap_or_else(|| panic!("{path}: {error}"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("scripts") => scripts(args.collect()),
        Some("wait") => {
            let file = args.next().ok_or("which file?")?;
            wait(&file, &args.collect::<Vec<_>>())
        }
        Some("memory") => memory::run(),
        _ => {
            Err("proc scripts DEVICE DEVICE DEVICE, proc wait FILE COMMAND..., or proc memory"
                .into())
        }
    }
}

fn scripts(devices: Vec<String>) -> Result<(), Box<dyn Error>> {
    let mut files = Proc(Files { devices });
    for (name, script) in SCRIPTS {
        run(script, &mut files).map_err(|failure| format!("{name}.script, {failure}"))?;
        println!("{name}.script: the same answers");
    }
    Ok(())
}

fn wait(file: &str, command: &[String]) -> Result<(), Box<dyn Error>> {
    let mut file = File::open(format!("{FOLDER}/{file}"))?;
    file.read_to_string(&mut String::new())?;
    if news(&file, 0)? {
        return Err("there is news before anything has changed".into());
    }
    let (program, args) = command.split_first().ok_or("which command?")?;
    let mut changes = Command::new(program).args(args).spawn()?;
    let woken = news(&file, 60)?;
    changes.wait()?;
    if woken { Ok(()) } else { Err("poll was not woken in a minute".into()) }
}

/// Whether a file has changed since it was read, or does within so many seconds.
fn news(file: &File, seconds: i64) -> Result<bool, rustix::io::Errno> {
    let mut fds = [PollFd::new(file, PollFlags::PRI)];
    poll(&mut fds, Some(&Timespec { tv_sec: seconds, tv_nsec: 0 }))?;
    Ok(fds[0].revents().contains(PollFlags::PRI))
}
