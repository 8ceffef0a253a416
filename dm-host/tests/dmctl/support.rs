//! Daemons for tests, and the programs that talk to them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dm_host::control::Client;
use dm_host::daemon::RuntimeDir;
use tempfile::TempDir;

pub(crate) const DMCTL: &str = env!("CARGO_BIN_EXE_dmctl");

/// What a program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// What it printed, where all went well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// What it complained of, where that was all it did.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{}", self.err);
        self.err
    }
}

/// Runs a program, with `input` as its standard input.
pub(crate) fn run(command: &mut Command, input: &str) -> Said {
    command.env_remove("DMCTL_DIR").env_remove("CLICOLOR_FORCE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    // One that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a line of shell, and returns what it printed; it must succeed.
#[track_caller]
pub(crate) fn sh(line: &str) -> String {
    run(Command::new("bash").args(["-euo", "pipefail", "-c", line]), "").ok()
}

/// Says what a test could not look at, also where the test passes: past the harness, which keeps
/// quiet about those.
pub(crate) fn not_tested(what: &str) {
    let _ = writeln!(std::io::stderr(), "NOT TESTED: {what}");
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A folder with disks, without a daemon.
pub(crate) struct Folder {
    dir: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        let dir = tempfile::Builder::new().prefix("dmctl-test-").tempdir().unwrap();
        Folder { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a disk, all zeros, and returns its path.
    pub(crate) fn disk(&self, name: &str, sectors: u64) -> String {
        let path = self.path(name);
        std::fs::File::create(&path).unwrap().set_len(sectors * 512).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// `dmctl --dir`, for the daemon of this folder.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(DMCTL);
        command.arg("--dir").arg(self.path("run")).current_dir(self.dir.path());
        command
    }

    pub(crate) fn dmctl<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Said {
        run(self.command().args(args), "")
    }

    /// The same text with this folder's path as `DIR`.
    pub(crate) fn masked(&self, text: &str) -> String {
        text.replace(self.dir.path().to_str().unwrap(), "DIR")
    }
}

/// A daemon, which is ended with the test.
pub(crate) struct Daemon {
    pub(crate) folder: Folder,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Daemon {
    pub(crate) fn serve() -> Daemon {
        Daemon::start(Folder::new(), &["serve"]).unwrap_or_else(|said| panic!("{said:?}"))
    }

    /// Starts a daemon with these arguments; what it said, if it did not become ready.
    pub(crate) fn start(folder: Folder, args: &[&str]) -> Result<Daemon, Said> {
        let mut command = folder.command();
        command.args(args);
        Daemon::spawn(folder, command)
    }

    /// The same, with a command of one's own.
    pub(crate) fn spawn(folder: Folder, mut command: Command) -> Result<Daemon, Said> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_remove("CLICOLOR_FORCE");
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let reader = std::thread::spawn({
            let (log, err) = (log.clone(), BufReader::new(child.stderr.take().unwrap()));
            move || {
                err.lines()
                    .map_while(Result::ok)
                    .for_each(|line| *log.lock().unwrap() += &(line + "\n"))
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut out = String::new();
        for line in &mut lines {
            let line = line.unwrap();
            if line == "ready" {
                return Ok(Daemon { folder, child, log });
            }
            out += &(line + "\n");
        }
        let status = child.wait().unwrap();
        reader.join().unwrap();
        let err = folder.masked(&log.lock().unwrap());
        Err(Said { code: status.code(), out, err })
    }

    pub(crate) fn dmctl<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Said {
        self.folder.dmctl(args)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&RuntimeDir::locate(Some(self.folder.path("run")))).unwrap()
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.folder.path("run/control.sock")
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    pub(crate) fn nbd_socket(&self) -> PathBuf {
        self.folder.path("run/nbd.sock")
    }

    /// What it has told on its standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The same, as it goes on, also when the daemon has ended.
    pub(crate) fn log_handle(&self) -> Arc<Mutex<String>> {
        self.log.clone()
    }

    /// Waits until a line of the log has all these words in it.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, words: &[&str]) {
        let has_all = |line: &str| words.iter().all(|word| line.contains(word));
        wait_until(&format!("{words:?} in the log"), || self.log().lines().any(has_all));
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// How much memory it has, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// A number in its `/proc/<pid>/status`.
    pub(crate) fn status(&self, key: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let text = std::fs::read_to_string(path).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        value.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Asks it to end, and returns how it did.
    pub(crate) fn stop(self, signal: rustix::process::Signal) -> (Folder, ExitStatus) {
        self.signal(signal);
        self.wait()
    }

    /// Waits until it has ended, and returns how it did.
    pub(crate) fn wait(mut self) -> (Folder, ExitStatus) {
        let status = self.child.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, Folder::new());
        (folder, status)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.signal(rustix::process::Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

/// Waits for something that must come; how long that takes is nobody's promise.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "still no {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Bytes of a file.
pub(crate) fn bytes_at(path: impl AsRef<Path>, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    std::fs::File::open(path).unwrap().read_exact_at(&mut bytes, offset).unwrap();
    bytes
}
