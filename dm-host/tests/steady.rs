//! A server that is warm serves requests without allocating memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
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
    fn new(mut stream: UnixStream) -> Client {
        stream.read_exact(&mut [0; 18]).unwrap();
        stream.write_all(b"\0\0\0\x03IHAVEOPT\0\0\0\x01\0\0\0\x04disk").unwrap();
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

#[test]
fn a_warm_server_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["a", "b"].map(|name| folder.path().join(name));
    files.iter().for_each(|path| File::create(path).unwrap().set_len(8 << 20).unwrap());
    let options = HostOptions { engine: EngineChoice::Auto };
    let mapper = UserHost::start(&options, Registry::with_builtins().unwrap()).unwrap();
    let device = mapper.create("disk".parse().unwrap(), Default::default()).unwrap();
    let [a, b] = files.map(|path| path.display().to_string());
    // Some requests are cut in two.
    let table = format!("0 1000 linear {a} 0\n1000 7184 striped 2 8 {a} 1000 {b} 0");
    let tell = &mut |error: dm_core::LoadError<'_>| panic!("{error}");
    mapper.load(&device, table.as_bytes(), Mode::ReadWrite, tell).unwrap();
    mapper.host().wait(&device.resume().unwrap());
    let socket = folder.path().join("socket");
    let server = Server::bind_unix(&socket).unwrap();
    server.serve(mapper).unwrap();
    let mut client = Client::new(UnixStream::connect(&socket).unwrap());
    // Whole pages, which the page cache takes at once, and parts of them, which go another way.
    let mut round = || {
        for (command, length) in [(READ, 4096), (WRITE, 4096), (WRITE, 512), (READ, 8192)] {
            client.ask(command, length);
        }
    };
    (0..200).for_each(|_| round());
    let before = ASKED.load(Ordering::SeqCst);
    (0..200).for_each(|_| round());
    let asked = ASKED.load(Ordering::SeqCst) - before;
    assert!(before > 100, "it counts");
    assert_eq!(asked, 0, "in {} requests", 200 * 4 * DEPTH);
}
