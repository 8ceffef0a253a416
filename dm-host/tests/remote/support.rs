//! Servers that nobody here wrote, and a mapper for devices that lie on them.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dm_core::{BioFlags, Mode, Open, Registry};
use dm_host::{BlockIo, HostOptions, Mapper, UserHost};
use tempfile::TempDir;

/// A server, which is ended when this is dropped.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It fails where it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn start(program: &str, args: &[&str]) -> Running {
    let child = Command::new(program).args(args).stdin(Stdio::null()).spawn();
    Running(
        child.unwrap_or_else(|error| panic!("{program}: {error}; `cargo xtask test` installs it")),
    )
}

/// Serves a file with nbdkit on a unix socket.
pub(crate) fn nbdkit(socket: &Path, file: &str, more: &[&str]) -> Running {
    let _ = std::fs::remove_file(socket);
    let mut args = vec!["--foreground", "--unix", socket.to_str().unwrap()];
    args.extend(more);
    let (plugin, file) = ("file", format!("file={file}"));
    args.extend([plugin, &file]);
    let server = start("nbdkit", &args);
    wait_for(socket);
    server
}

/// For any number of clients: with one, `wait_for` waits for as long as another is there first.
const QEMU_NBD: &[&str] = &["--persistent", "--format=raw", "--export-name=disk", "--shared=0"];

/// Serves a file with qemu-nbd on a unix socket, as the export `disk`.
pub(crate) fn qemu_nbd(socket: &Path, file: &str, more: &[&str]) -> Running {
    let _ = std::fs::remove_file(socket);
    let mut args = QEMU_NBD.to_vec();
    args.push("--discard=unmap");
    args.extend(more);
    args.extend(["--socket", socket.to_str().unwrap(), file]);
    let server = start("qemu-nbd", &args);
    wait_for(socket);
    server
}

/// Serves a file with nbdkit on a TCP port.
pub(crate) fn nbdkit_on_tcp(port: u16, file: &str, more: &[&str]) -> Running {
    let (port_word, file) = (format!("--port={port}"), format!("file={file}"));
    let words = ["--foreground", "--ipaddr=127.0.0.1", &port_word];
    let server = start("nbdkit", &[&words[..], more, &["file", &file]].concat());
    wait_for_port(port);
    server
}

/// Serves a file with qemu-nbd on a TCP port, as the export `disk`.
pub(crate) fn qemu_nbd_on_tcp(port: u16, file: &str) -> Running {
    let port_word = format!("--port={port}");
    let words = ["--bind=127.0.0.1", &port_word, file];
    let server = start("qemu-nbd", &[QEMU_NBD, &words[..]].concat());
    wait_for_port(port);
    server
}

fn wait_for_port(port: u16) {
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).and_then(greet).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "no server on port {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Comes and goes, as politely as a client can.
fn greet(mut stream: impl Read + Write) -> io::Result<()> {
    stream.read_exact(&mut [0; 18])?;
    stream.write_all(b"\0\0\0\x03IHAVEOPT\0\0\0\x02\0\0\0\0")?;
    stream.read_exact(&mut [0; 20])
}

fn wait_for(socket: &Path) {
    let begin = Instant::now();
    while UnixStream::connect(socket).and_then(greet).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "no server on {}", socket.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) struct Setup {
    pub(crate) folder: TempDir,
    pub(crate) mapper: Arc<Mapper>,
}

impl Setup {
    pub(crate) fn new() -> Setup {
        let registry = Registry::with_builtins().unwrap();
        let mapper = UserHost::start(&HostOptions::default(), registry).unwrap();
        Setup { folder: tempfile::tempdir().unwrap(), mapper }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: u64) -> String {
        let path = self.path(name);
        std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        path.display().to_string()
    }

    pub(crate) fn try_open(&self, table: &str, mode: Mode) -> Result<Open<UserHost>, String> {
        let device = self.mapper.create("disk".parse().unwrap(), Default::default()).unwrap();
        let mut errors = String::new();
        let tell = &mut |error: dm_core::LoadError<'_>| errors += &error.to_string();
        let loaded = self.mapper.load(&device, table.as_bytes(), mode, tell);
        if loaded.is_err() {
            self.mapper.host().wait(&self.mapper.remove(&device).unwrap());
            return Err(errors);
        }
        self.mapper.host().wait(&device.resume().unwrap());
        Ok(device.open().unwrap())
    }

    pub(crate) fn open(&self, table: &str) -> BlockIo {
        BlockIo::new(self.try_open(table, Mode::ReadWrite).unwrap())
    }
}

pub(crate) fn uri(socket: &Path, export: &str) -> String {
    format!("nbd+unix:///{export}?socket={}", socket.display())
}

pub(crate) fn pattern(bytes: usize, seed: u32) -> Vec<u8> {
    (0..bytes as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8)
        .collect()
}

/// Writes 2 MiB to two stripes of 4 KiB each, looks for them in the files below, reads them back, and
/// returns them.
pub(crate) fn write_stripe(io: &BlockIo, files: [&str; 2]) -> Vec<u8> {
    let written = pattern(2 << 20, 1);
    io.write_at(&written, 0, BioFlags::FUA).unwrap();
    let files = files.map(|path| std::fs::read(path).unwrap());
    for (n, chunk) in written.chunks(4096).enumerate() {
        assert!(files[n % 2][n / 2 * 4096..][..4096] == *chunk, "chunk {n}");
    }
    let mut read = vec![0; written.len()];
    io.read_at(&mut read, 0).unwrap();
    assert!(read == written);
    written
}

pub(crate) const MEGABYTE: u64 = 1 << 20;

/// A port of this machine that nobody listens on.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
