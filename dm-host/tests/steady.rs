//! A server that is warm serves requests without allocating memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use dm_core::{Mode, Registry};
use dm_host::nbd::Server;
use dm_host::{EngineChoice, HostOptions, UserHost};

/// The system's allocator, and how often it was asked by any thread.
struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: it passes everything on to the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How many requests are on their way at once.
const DEPTH: usize = 32;

/// A client whose memory was all allocated before.
struct Client {
    stream: UnixStream,
    out: Vec<u8>,
    replies: Vec<u8>,
}

impl Client {
    /// One that uses the export `name`, of four letters.
    fn new(mut stream: UnixStream, name: &str) -> Client {
        stream.read_exact(&mut [0; 18]).unwrap();
        stream.write_all(b"\0\0\0\x03IHAVEOPT\0\0\0\x01\0\0\0\x04").unwrap();
        stream.write_all(name.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 10]).unwrap();
        Client { stream, out: Vec::with_capacity(1 << 20), replies: vec![0; 1 << 20] }
    }

    /// Reads or writes `DEPTH` times `length` bytes, one behind the other.
    fn ask(&mut self, command: u8, length: usize) {
        self.out.clear();
        for n in 0..DEPTH {
            self.out.extend([0x25, 0x60, 0x95, 0x13, 0, 0, 0, command]);
            self.out.extend((n as u64).to_be_bytes());
            self.out.extend((n as u64 * 8192).to_be_bytes());
            self.out.extend((length as u32).to_be_bytes());
            if command == WRITE {
                self.out.resize(self.out.len() + length, 7);
            }
        }
        self.stream.write_all(&self.out).unwrap();
        let data = if command == READ { length } else { 0 };
        let replies = &mut self.replies[..DEPTH * (16 + data)];
        self.stream.read_exact(replies).unwrap();
        for reply in replies.chunks(16 + data) {
            assert_eq!(reply[..8], [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0]);
        }
    }
}

const READ: u8 = 0;
const WRITE: u8 = 1;

/// A mapper with a device of that name and table, served.
fn serve(folder: &Path, tables: &[(&str, &str)]) -> Server {
    let options = HostOptions { engine: EngineChoice::Auto, ..Default::default() };
    let mapper = UserHost::start(&options, Registry::with_builtins().unwrap()).unwrap();
    for (name, table) in tables {
        let device = mapper.create(name.parse().unwrap(), Default::default()).unwrap();
        let tell = &mut |error: dm_core::LoadError<'_>| panic!("{error}");
        mapper.load(&device, table.as_bytes(), Mode::ReadWrite, tell).unwrap();
        mapper.host().wait(&device.resume().unwrap());
    }
    let server = Server::bind_unix(&folder.join("socket")).unwrap();
    server.serve(mapper).unwrap();
    server
}

#[test]
fn a_warm_server_allocates_nothing() {
    // Not in /tmp, which may lie in memory, where there is no direct I/O.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let files = ["a", "b", "c"].map(|name| folder.path().join(name));
    for path in &files {
        File::create(path).unwrap().write_all(&vec![5; 1 << 20]).unwrap();
    }
    let [a, b, c] = files.map(|path| path.display().to_string());
    // The requests lie in the first 512 sectors, and some are cut in two.
    let disk =
        format!("0 100 linear {a} 0\n100 224 striped 2 8 {a} 100 {b} 0\n324 300 linear mem:1M 0");
    let past = format!("0 2048 linear direct:{c} 0");
    let _server = serve(folder.path(), &[("disk", &disk), ("past", &past)]);
    let connect = || UnixStream::connect(folder.path().join("socket")).unwrap();
    let (mut disk, mut past) = (Client::new(connect(), "disk"), Client::new(connect(), "past"));
    // Whole pages, which the page cache takes at once, and parts of them, which go another way, as
    // does what passes the page cache by.
    let mut round = || {
        for (command, length) in [(READ, 4096), (WRITE, 4096), (WRITE, 512), (READ, 8192)] {
            disk.ask(command, length);
        }
        for (command, length) in [(READ, 4096), (WRITE, 4096), (READ, 8192)] {
            past.ask(command, length);
        }
    };
    (0..200).for_each(|_| round());
    let before = ASKED.load(Ordering::SeqCst);
    (0..200).for_each(|_| round());
    let asked = ASKED.load(Ordering::SeqCst) - before;
    assert!(before > 100, "it counts");
    assert_eq!(asked, 0, "in {} requests", 200 * 7 * DEPTH);
}
