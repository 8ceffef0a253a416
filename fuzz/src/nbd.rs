//! Any bytes at the NBD server: before there is anything negotiated, and as requests.

use std::fs::{DirEntry, read_dir, read_to_string};
use std::io::{Read, Result, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use dm_core::{Mode, Registry};
use dm_host::nbd::Server;
use dm_host::{EngineChoice, HostOptions, UserHost};

/// The server does nothing for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the export is, in bytes.
const SIZE: usize = 64 * 512;

struct Running {
    socket: PathBuf,
    _server: Server,
    _folder: tempfile::TempDir,
}

/// A server with one export, for all runs; one run at a time.
fn server() -> &'static Mutex<Running> {
    static SERVER: OnceLock<Mutex<Running>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let registry = Registry::with_builtins().expect("memory");
        let options = HostOptions { engine: EngineChoice::Threads, ..Default::default() };
        let mapper = UserHost::start(&options, registry).expect("a host");
        let device = mapper.create("x".parse().expect("a name"), Default::default()).expect("x");
        let table = b"0 16 linear mem:x:32K 48\n16 48 linear mem:x:32K 0\n";
        mapper.load(&device, table, Mode::ReadWrite, &mut |_| {}).expect("a table");
        mapper.host().wait(&device.resume().expect("a table"));
        let socket = folder.path().join("socket");
        let server = Server::bind_unix(&socket).expect("a socket");
        server.serve(mapper).expect("a thread");
        Mutex::new(Running { socket, _server: server, _folder: folder })
    })
}

/// The first bit of the first byte says which it is. Whatever is said before the negotiation, the
/// server greets, and leaves in the end. Requests are answered as a plain array of bytes would, each
/// with its cookie, or, where one cannot be understood, with a disconnection.
pub fn run(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let running = server().lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let socket = UnixStream::connect(&running.socket).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    if first & 1 == 0 {
        raw(socket, data).expect("the server answers");
    } else {
        let mut client = Client::negotiate(socket, first & 2 != 0).expect("a negotiation");
        for bytes in data.chunks_exact(8).take(64) {
            if !client.request(bytes).expect("the server answers") {
                break;
            }
        }
    }
    wait_for_the_server();
}

/// Until the client's thread has ended: what it is about to free would look as if it leaked.
fn wait_for_the_server() {
    let begin = Instant::now();
    let is_client = |task: DirEntry| {
        read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim_end() == "nbd-client")
    };
    while read_dir("/proc/self/task").expect("threads").flatten().any(is_client) {
        assert!(begin.elapsed() < PATIENCE, "a client is gone, but its thread stays");
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn raw(mut socket: UnixStream, data: &[u8]) -> Result<()> {
    // The server may be gone before it has heard all.
    let _ = socket.write_all(data);
    let _ = socket.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    match socket.read_to_end(&mut said) {
        Ok(_) => assert!(said.starts_with(b"NBDMAGICIHAVEOPT\0\x03"), "{said:?}"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    Ok(())
}

/// A client that knows what the export must hold.
struct Client {
    socket: UnixStream,
    structured: bool,
    bytes: Vec<u8>,
    cookie: u64,
}

const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;
const WRITE_ZEROES: u16 = 6;

impl Client {
    fn negotiate(mut socket: UnixStream, structured: bool) -> Result<Client> {
        let mut greeting = [0; 18];
        socket.read_exact(&mut greeting)?;
        socket.write_all(&[0, 0, 0, 3])?;
        if structured {
            socket.write_all(b"IHAVEOPT\0\0\0\x08\0\0\0\0")?;
            let mut reply = [0; 20];
            socket.read_exact(&mut reply)?;
            assert_eq!(reply[8..], *b"\0\0\0\x08\0\0\0\x01\0\0\0\0");
        }
        socket.write_all(b"IHAVEOPT\0\0\0\x01\0\0\0\x01x")?;
        let mut facts = [0; 10];
        socket.read_exact(&mut facts)?;
        assert_eq!(facts[..8], (SIZE as u64).to_be_bytes());
        let mut client = Client { socket, structured, bytes: vec![0; SIZE], cookie: 0 };
        assert!(client.exchange(WRITE_ZEROES, 0, 0, SIZE as u32, &[])?.is_ok());
        Ok(client)
    }

    /// Makes a request of eight bytes, and compares the answer; `false` if that was the last.
    fn request(&mut self, bytes: &[u8]) -> Result<bool> {
        let [command, flags, fill, kind] = [bytes[0], bytes[1], bytes[2], bytes[3]];
        let offset = u64::from(u16::from_be_bytes([bytes[4], bytes[5]])) << 6;
        let length = u32::from(u16::from_be_bytes([bytes[6], bytes[7]])) << 3;
        // Most are aligned: others are refused, which is soon known.
        let mask = if kind & 3 == 0 { 0 } else { 511 };
        let (offset, length) = (offset & !mask, length & !(mask as u32));
        let (command, flags) = (u16::from(command % 8), u16::from(flags & 0x1f));
        if kind == 0xff {
            self.socket.write_all(&[fill; 28])?;
            return self.assert_over();
        }
        if command == DISCONNECT {
            self.send(command, flags, offset, length)?;
            return self.assert_over();
        }
        let data: Vec<u8> = (0..length).map(|n| (n as u8).wrapping_add(fill)).collect();
        let data = if command == WRITE { &data[..] } else { &[] };
        let answer = self.exchange(command, flags, offset, length, data)?;
        let end = offset + u64::from(length);
        let fits = end <= SIZE as u64 && offset % 512 == 0 && length % 512 == 0 && length > 0;
        let allowed = match command {
            READ => 1 | 4,
            WRITE | FLUSH | TRIM => 1,
            WRITE_ZEROES => 1 | 2 | 16,
            _ => 0,
        };
        let known = matches!(command, READ | WRITE | FLUSH | TRIM | WRITE_ZEROES);
        let good = known && flags & !allowed == 0 && (fits || command == FLUSH);
        let wish = command == WRITE_ZEROES && flags & 16 != 0;
        assert!(answer.is_ok() == good || wish && answer.is_err(), "{command} {offset} {length}");
        let Ok(read) = answer else { return Ok(true) };
        let place = if command == FLUSH { 0..0 } else { offset as usize..end as usize };
        match command {
            READ => assert_eq!(read, self.bytes[place]),
            WRITE => self.bytes[place].copy_from_slice(data),
            WRITE_ZEROES => self.bytes[place].fill(0),
            TRIM => {
                // What it reads as is the server's choice.
                let now = self.exchange(READ, 0, offset, length, &[])?.expect("a read");
                self.bytes[place].copy_from_slice(&now);
            }
            _ => {}
        }
        Ok(true)
    }

    fn send(&mut self, command: u16, flags: u16, offset: u64, length: u32) -> Result<()> {
        self.cookie += 0x0101_0101_0101;
        let mut header = vec![0x25, 0x60, 0x95, 0x13];
        header.extend(flags.to_be_bytes());
        header.extend(command.to_be_bytes());
        header.extend(self.cookie.to_be_bytes());
        header.extend(offset.to_be_bytes());
        header.extend(length.to_be_bytes());
        self.socket.write_all(&header)
    }

    /// Sends a request and reads the whole answer: the data of a read, or an error's number.
    fn exchange(
        &mut self,
        command: u16,
        flags: u16,
        offset: u64,
        length: u32,
        data: &[u8],
    ) -> Result<std::result::Result<Vec<u8>, u32>> {
        self.send(command, flags, offset, length)?;
        self.socket.write_all(data)?;
        let magic = self.u32()?;
        if magic == 0x6744_6698 {
            assert!(!(self.structured && command == READ), "reads are answered in chunks");
            let error = self.u32()?;
            self.assert_cookie()?;
            let mut read = vec![0; if command == READ && error == 0 { length } else { 0 } as usize];
            self.socket.read_exact(&mut read)?;
            return Ok(if error == 0 { Ok(read) } else { Err(error) });
        }
        assert_eq!(magic, 0x668e_33ef);
        assert!(self.structured && command == READ, "only reads are answered in chunks");
        let mut kind = [0; 4];
        self.socket.read_exact(&mut kind)?;
        self.assert_cookie()?;
        let size = self.u32()?;
        match kind {
            [0, 1, 0, 1] => {
                assert_eq!(size, length + 8);
                let at = u64::from(self.u32()?) << 32 | u64::from(self.u32()?);
                assert_eq!(at, offset);
                let mut read = vec![0; length as usize];
                self.socket.read_exact(&mut read)?;
                Ok(Ok(read))
            }
            [0, 1, 0x80, 1] => {
                let error = self.u32()?;
                let mut message = vec![0; size as usize - 4];
                self.socket.read_exact(&mut message)?;
                Ok(Err(error))
            }
            _ => panic!("a chunk of an unknown kind, {kind:?}"),
        }
    }

    fn u32(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.socket.read_exact(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn assert_cookie(&mut self) -> Result<()> {
        let cookie = u64::from(self.u32()?) << 32 | u64::from(self.u32()?);
        assert_eq!(cookie, self.cookie);
        Ok(())
    }

    /// The server says nothing more.
    fn assert_over(&mut self) -> Result<bool> {
        let mut rest = Vec::new();
        match self.socket.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty(), "{rest:?}"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
        Ok(false)
    }
}
