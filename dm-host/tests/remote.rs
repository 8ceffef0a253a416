//! NBD exports as backing devices, on servers that nobody here wrote.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dm_core::{BioFlags, IoError, Mode, Open, Registry};
use dm_host::{BlockIo, HostOptions, Mapper, UserHost, Zeroing};
use tempfile::TempDir;

/// A server, which is ended when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It fails where it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &str, args: &[&str]) -> Running {
    let child = Command::new(program).args(args).stdin(Stdio::null()).spawn();
    Running(
        child.unwrap_or_else(|error| panic!("{program}: {error}; `cargo xtask test` installs it")),
    )
}

/// Serves a file with nbdkit on a unix socket.
fn nbdkit(socket: &Path, file: &str, more: &[&str]) -> Running {
    let _ = std::fs::remove_file(socket);
    let mut args = vec!["--foreground", "--unix", socket.to_str().unwrap()];
    args.extend(more);
    let (plugin, file) = ("file", format!("file={file}"));
    args.extend([plugin, &file]);
    let server = start("nbdkit", &args);
    wait_for(socket);
    server
}

/// Serves a file with qemu-nbd on a unix socket, as the export `disk`.
fn qemu_nbd(socket: &Path, file: &str) -> Running {
    let _ = std::fs::remove_file(socket);
    let socket_words = ["--persistent", "--format=raw", "--export-name=disk", "--discard=unmap"];
    let mut args = socket_words.to_vec();
    args.extend(["--socket", socket.to_str().unwrap(), file]);
    let server = start("qemu-nbd", &args);
    wait_for(socket);
    server
}

fn wait_for(socket: &Path) {
    let begin = Instant::now();
    while !socket.exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "no server on {}", socket.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

struct Setup {
    folder: TempDir,
    mapper: Arc<Mapper>,
}

impl Setup {
    fn new() -> Setup {
        let registry = Registry::with_builtins().unwrap();
        let mapper = UserHost::start(&HostOptions::default(), registry).unwrap();
        Setup { folder: tempfile::tempdir().unwrap(), mapper }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: u64) -> String {
        let path = self.path(name);
        std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        path.display().to_string()
    }

    fn try_open(&self, table: &str, mode: Mode) -> Result<Open<UserHost>, String> {
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

    fn open(&self, table: &str) -> BlockIo {
        BlockIo::new(self.try_open(table, Mode::ReadWrite).unwrap())
    }
}

fn uri(socket: &Path, export: &str) -> String {
    format!("nbd+unix:///{export}?socket={}", socket.display())
}

fn pattern(bytes: usize, seed: u32) -> Vec<u8> {
    (0..bytes as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8)
        .collect()
}

const MEGABYTE: u64 = 1 << 20;

#[test]
fn a_stripe_over_two_servers_has_its_bytes_where_they_must_be() {
    let setup = Setup::new();
    let (a, b) = (setup.file("a", MEGABYTE), setup.file("b", MEGABYTE));
    let (first, second) = (setup.path("first"), setup.path("second"));
    let _servers = (nbdkit(&first, &a, &[]), qemu_nbd(&second, &b));
    let (first, second) = (uri(&first, ""), uri(&second, "disk"));
    let io = setup.open(&format!("0 4096 striped 2 8 {first} 0 {second} 0"));
    let written = pattern(2 << 20, 1);
    io.write_at(&written, 0, BioFlags::FUA).unwrap();
    io.flush().unwrap();
    let files = [a, b].map(|path| std::fs::read(path).unwrap());
    for (n, chunk) in written.chunks(4096).enumerate() {
        assert!(files[n % 2][n / 2 * 4096..][..4096] == *chunk, "chunk {n}");
    }
    let mut read = vec![0; written.len()];
    io.read_at(&mut read, 0).unwrap();
    assert!(read == written);
    io.write_zeroes(8192, 16384, Zeroing::empty()).unwrap();
    io.discard(MEGABYTE, 65536).unwrap();
    io.read_at(&mut read, 0).unwrap();
    assert!(read[..8192] == written[..8192] && read[8192..24576].iter().all(|&byte| byte == 0));
    assert!(read[24576..MEGABYTE as usize] == written[24576..MEGABYTE as usize]);
    // The address is printed so that it opens the same again.
    let mut table = String::new();
    io.open().device().table().unwrap().write_table(&mut table).unwrap();
    assert!(table.contains(&first) && table.contains(&second), "{table}");
}

#[test]
fn requests_wait_for_a_server_that_comes_back() {
    let setup = Setup::new();
    let a = setup.file("a", MEGABYTE);
    let socket = setup.path("socket");
    let server = nbdkit(&socket, &a, &[]);
    let io = setup.open(&format!("0 2048 linear {} 0", uri(&socket, "")));
    io.write_at(&pattern(4096, 2), 0, BioFlags::empty()).unwrap();
    drop(server);
    std::thread::scope(|scope| {
        let io = &io;
        let threads: Vec<_> = (1..9)
            .map(|n| {
                scope.spawn(move || {
                    io.write_at(&pattern(4096, 2 + n), u64::from(n) * 4096, BioFlags::empty())
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        assert!(threads.iter().all(|thread| !thread.is_finished()), "nobody can have answered");
        let _server = nbdkit(&socket, &a, &[]);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Ok(4096));
        }
        io.flush().unwrap();
    });
    let written = std::fs::read(a).unwrap();
    for n in 0..9 {
        assert!(written[n * 4096..][..4096] == pattern(4096, 2 + n as u32), "write {n}");
    }
}

#[test]
fn what_a_server_refuses_is_told() {
    let setup = Setup::new();
    let a = setup.file("a", MEGABYTE);
    let socket = setup.path("socket");
    let refused = setup.try_open(&format!("0 8 linear {} 0", uri(&socket, "")), Mode::ReadWrite);
    assert!(refused.err().unwrap().contains("cannot be reached"));
    let server = nbdkit(&socket, &a, &["--readonly"]);
    let table = format!("0 2048 linear {} 0", uri(&socket, ""));
    assert!(setup.try_open(&table, Mode::ReadWrite).err().unwrap().contains("it can only be read"));
    let io = BlockIo::new(setup.try_open(&table, Mode::ReadOnly).unwrap());
    assert_eq!(io.read_at(&mut [0; 4096], 0), Ok(4096));
    assert_eq!(io.write_at(&[0; 4096], 0, BioFlags::empty()), Err(IoError::ReadOnly));
    drop(server);
    let other = setup.path("other");
    let _server = qemu_nbd(&other, &setup.file("b", MEGABYTE));
    let setup = Setup { mapper: Setup::new().mapper, ..setup };
    let refused = setup.try_open(&format!("0 8 linear {} 0", uri(&other, "no")), Mode::ReadOnly);
    assert!(refused.err().unwrap().contains("no such device"));
}

#[test]
fn a_server_on_tcp_and_one_that_fails() {
    let setup = Setup::new();
    let a = setup.file("a", MEGABYTE);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = format!("file={a}");
    let words = ["--foreground", "--ipaddr=127.0.0.1", "--filter=error", "file", &file];
    let port_word = format!("--port={port}");
    let rate = ["error-pwrite=EIO", "error-pwrite-rate=100%"];
    let _server = start("nbdkit", &[&[port_word.as_str()][..], &words, &rate].concat());
    let begin = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "no server");
        std::thread::sleep(Duration::from_millis(10));
    }
    let io = setup.open(&format!("0 2048 linear nbd://127.0.0.1:{port}/ 0"));
    assert_eq!(io.write_at(&[1; 4096], 0, BioFlags::empty()), Err(IoError::Failed));
    assert_eq!(io.read_at(&mut [1; 4096], 0), Ok(4096));
}
