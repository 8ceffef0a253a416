//! The daemon, its folder, and how it is asked.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use super::report::Count;
use super::sample::Sample;
use super::volume::{SECTORS, VOLUMES};
use super::{SoakFailure, file};
use crate::dmctl;
use crate::failure::Failure;
use crate::shell::{self, Running};

/// How long anything may take: NBD servers are waited for up to a minute.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// A folder with disks, the daemon that serves them, and a disk that is another server's.
pub(super) struct Ground {
    pub(super) folder: PathBuf,
    daemon: Running,
    /// nbdkit, while it lives.
    server: Mutex<Option<Server>>,
}

/// nbdkit, and what keeps the thread that started it: it would end with that one.
struct Server {
    _process: Running,
    _thread: Sender<()>,
}

/// The file whose presence makes the other server fail everything.
const FAIL: &str = "fail";

impl Ground {
    pub(super) fn prepare() -> Result<Ground, Failure> {
        let folder = shell::scratch().join("soak");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(file(&folder))?;
        let log = folder.join("daemon.log");
        let log = File::create(&log).map_err(file(&log))?;
        let mut command = dmctl(&folder, &["serve"]);
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        let mut daemon = Running(started.map_err(start(&command))?);
        let lines = daemon.0.stdout.take().map(|out| BufReader::new(out).lines());
        let mut lines = lines.into_iter().flatten().map_while(Result::ok);
        if !lines.any(|line| line == "ready") {
            return Err(SoakFailure::NoDaemon.into());
        }
        Ok(Ground { folder, daemon, server: Mutex::new(None) })
    }

    /// Makes a disk, all zeros, and returns its path.
    pub(super) fn disk(&self, name: &str, sectors: u64) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        let made = File::create(&path).and_then(|disk| disk.set_len(sectors * 512));
        made.map_err(file(&path))?;
        Ok(path)
    }

    pub(super) fn dmctl(&self, args: &[&str]) -> Command {
        dmctl(&self.folder, args)
    }

    /// Has `dmctl` do something; it must succeed.
    pub(super) fn ask(&self, args: &[&str]) -> Result<String, Failure> {
        output(&mut self.dmctl(args))
    }

    /// Gives a device another table, suspended before or not.
    pub(super) fn exchange(&self, name: &str, table: &str, suspend: bool) -> Result<(), Failure> {
        if suspend {
            self.ask(&["suspend", name])?;
        }
        // Not as an argument: some are longer than those may be.
        let path = self.folder.join(format!("{name}.table"));
        fs::write(&path, table).map_err(file(&path))?;
        self.ask(&["load", name, "--table-file", &path.display().to_string()])?;
        self.ask(&["resume", name]).map(drop)
    }

    pub(super) fn nbd_socket(&self) -> PathBuf {
        self.folder.join("run/nbd.sock")
    }

    pub(super) fn uri(&self, name: &str) -> String {
        format!("nbd+unix:///{name}?socket={}", self.nbd_socket().display())
    }

    pub(super) fn sample(&self, at: Duration) -> Result<Sample, Failure> {
        Sample::of(self.daemon.0.id(), at).map_err(|_| SoakFailure::NoDaemon.into())
    }

    /// Adds up what the volumes were asked for since they were created.
    pub(super) fn count_requests(&self, into: &Count) -> Result<(), Failure> {
        let page = self.ask(&["metrics"])?;
        let mut sum = 0;
        for what in ["reads", "writes", "other_requests"] {
            for volume in VOLUMES {
                let line = format!("dm_device_{what}_total{{device=\"{}\"}} ", volume.name());
                let value = page.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok());
                sum += value.unwrap_or(0_u64);
            }
        }
        into.set(sum);
        Ok(())
    }

    /// Starts nbdkit on a disk.
    pub(super) fn start_server(&self, disk: &str, socket: &str) -> Result<(), Failure> {
        let socket = self.folder.join(socket);
        let _ = fs::remove_file(&socket);
        let mut command = shell::command("nbdkit", &["--foreground", "--filter=error", "--unix"]);
        command.arg(&socket).arg("file").arg(self.folder.join(disk));
        command.args(["error-rate=100%", "error=EIO"]);
        command.arg(format!("error-file={}", self.folder.join(FAIL).display()));
        let log = self.folder.join("nbdkit.log");
        // What it says of each error that it was told to make is too much to show.
        let log = File::create(&log).map_err(file(&log))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let words = shell::words(&command);
        let (thread, is_wanted) = channel();
        let (tell, started) = channel();
        std::thread::spawn(move || {
            let told = tell.send(command.spawn().map_err(start(&command)));
            // Until nobody wants it any more.
            told.map(|()| is_wanted.recv())
        });
        let process = Running(started.recv().map_err(|_| SoakFailure::NoServer)??);
        wait_for(&words, || Ok(socket.exists()))?;
        if let Ok(mut server) = self.server.lock() {
            *server = Some(Server { _process: process, _thread: thread });
        }
        Ok(())
    }

    /// Kills nbdkit in the middle of what it does.
    pub(super) fn kill_server(&self) {
        if let Ok(mut server) = self.server.lock() {
            *server = None;
        }
    }

    /// Has nbdkit fail everything from now on, or nothing any more.
    pub(super) fn set_server_failing(&self, is_failing: bool) -> Result<(), Failure> {
        let path = self.folder.join(FAIL);
        let done = match is_failing {
            true => File::create(&path).map(drop),
            false => fs::remove_file(&path),
        };
        done.map_err(file(&path))
    }

    /// Where two disks differ.
    pub(super) fn compare(&self, a: &str, b: &str) -> Result<Option<u64>, Failure> {
        let read = |name: &str| {
            let path = self.folder.join(name);
            let mut bytes = Vec::with_capacity(SECTORS as usize * 512);
            let read = File::open(&path).and_then(|mut disk| disk.read_to_end(&mut bytes));
            read.map(|_| bytes).map_err(file(&path))
        };
        let (a, b) = (read(a)?, read(b)?);
        let differs = a.iter().zip(&b).position(|(a, b)| a != b);
        Ok(differs.map(|at| at as u64))
    }
}

fn dmctl(folder: &std::path::Path, args: &[&str]) -> Command {
    let mut command = shell::command(dmctl::program(), &["--dir"]);
    command.arg(folder.join("run")).args(args).current_dir(folder);
    command
}

/// Runs a program to its end, and returns what it printed; it must succeed.
pub(super) fn output(command: &mut Command) -> Result<String, Failure> {
    let (said, status) = finish(command)?;
    match status.success() {
        true => Ok(said),
        false => Err(Failure::Exit { command: shell::words(command), status }),
    }
}

/// Runs a program to its end, and returns what it printed.
pub(super) fn finish(command: &mut Command) -> Result<(String, ExitStatus), Failure> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = Running(child.map_err(start(command))?);
    let out = child.0.stdout.take();
    // It is read meanwhile: a pipe does not hold much.
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        out.map_or(Ok(0), |mut out| out.read_to_string(&mut said)).map(|_| said)
    });
    let mut status = None;
    wait_for(&shell::words(command), || {
        status = child.0.try_wait().map_err(start(command))?;
        Ok(status.is_some())
    })?;
    let said = reader.join().unwrap_or_else(|_| Ok(String::new())).map_err(start(command))?;
    let stuck = || SoakFailure::Stuck { what: shell::words(command), patience: PATIENCE };
    Ok((said, status.ok_or_else(stuck)?))
}

/// Waits until something is so.
pub(super) fn wait_for(
    what: &str,
    mut is_so: impl FnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let begin = Instant::now();
    while !is_so()? {
        if begin.elapsed() > PATIENCE {
            return Err(SoakFailure::Stuck { what: what.to_owned(), patience: PATIENCE }.into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn start(command: &Command) -> impl Fn(std::io::Error) -> Failure {
    let command = shell::words(command);
    move |source| Failure::Start { command: command.clone(), source }
}
