//! A server that runs.

use std::fs::{self, DirBuilder};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::contenders::{Contender, Job, SOCKET};
use super::ground::{Cache, Ground, Layout};
use super::{IoFailure, file};
use crate::failure::Failure;

/// A server, which is ended when this is dropped.
pub(super) struct Running {
    pub(super) contender: &'static Contender,
    socket: PathBuf,
    /// How long it took from its start until it had answered a read.
    pub(super) first_byte: Duration,
    child: Child,
}

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

impl Running {
    pub(super) fn start(
        contender: &'static Contender,
        ground: &Ground,
        cache: Cache,
    ) -> Result<Running, Failure> {
        let folder = ground.folder.join(contender.name.replace([' ', ','], "-"));
        let _ = fs::remove_dir_all(&folder);
        let mut private = DirBuilder::new();
        private.recursive(true).mode(0o700).create(&folder).map_err(file(&folder))?;
        let job = Job { ground, cache, folder: &folder };
        let mut command = contender.command(&job)?;
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let started = Instant::now();
        let child = command.spawn();
        let program = || command.get_program().to_string_lossy().into_owned();
        let child = child.map_err(|source| Failure::Start { command: program(), source })?;
        let socket = folder.join(SOCKET);
        let mut server = Running { contender, socket, first_byte: Duration::ZERO, child };
        let export = contender.layouts[0].export();
        while read_first(&server.socket, export).is_err() {
            if started.elapsed() > PATIENCE {
                let (server, seconds) = (contender.name, PATIENCE.as_secs());
                return Err(IoFailure::NotServing { server, seconds }.into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        server.first_byte = started.elapsed();
        Ok(server)
    }

    /// The disk of a layout, for clients.
    pub(super) fn uri(&self, layout: Layout) -> String {
        format!("nbd+unix:///{}?socket={}", layout.export(), self.socket.display())
    }

    /// The CPU time that all its threads have taken, those included that have ended.
    pub(super) fn cpu_time(&self) -> Option<Duration> {
        cpu_time(self.child.id())
    }

    /// The most bytes of memory that it had resident.
    pub(super) fn peak_memory(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes * 1024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It fails where the server has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The CPU time of a process, to the nanosecond; /proc has it in units of 10 ms.
fn cpu_time(process: u32) -> Option<Duration> {
    let process = libc::pid_t::try_from(process).ok()?;
    let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
    // SAFETY: the call writes to `clock`, which lives through it.
    if unsafe { libc::clock_getcpuclockid(process, &mut clock) } != 0 {
        return None;
    }
    // SAFETY: the call writes to `time`, which lives through it; a clock that is none is an error.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        return None;
    }
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// Connects as an NBD client, and reads the first 4 KiB of the export.
fn read_first(socket: &Path, export: &str) -> io::Result<()> {
    let mut stream = enter(socket, export)?;
    stream.write_all(&read_request(4096))?;
    stream.read_exact(&mut [0; 16 + 4096])
}

/// Connects as an NBD client, up to where requests may be sent.
pub(crate) fn enter(socket: &Path, export: &str) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.read_exact(&mut [0; 18])?;
    // Newstyle, fixed, no zeros; then the option that goes straight to the export.
    stream.write_all(&3_u32.to_be_bytes())?;
    stream.write_all(b"IHAVEOPT")?;
    stream.write_all(&1_u32.to_be_bytes())?;
    stream.write_all(&(export.len() as u32).to_be_bytes())?;
    stream.write_all(export.as_bytes())?;
    stream.read_exact(&mut [0; 10])?;
    Ok(stream)
}

/// Asks for that many bytes, from the first on.
pub(crate) fn read_request(bytes: u32) -> [u8; 28] {
    let mut request = [0; 28];
    request[..4].copy_from_slice(&0x2560_9513_u32.to_be_bytes());
    request[24..].copy_from_slice(&bytes.to_be_bytes());
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_clock_that_counts_its_work() {
        let before = cpu_time(std::process::id()).unwrap();
        let sum = (0..20_000_000_u64).fold(0, |sum: u64, n| std::hint::black_box(sum ^ n));
        std::hint::black_box(sum);
        assert!(cpu_time(std::process::id()).unwrap() > before);
        assert_eq!(cpu_time(u32::MAX), None);
    }
}
