//! The control socket, on the wire.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use dm_host::control::{Client, ClientError};
use dm_proc_shim::Errno;
use dm_proc_shim::testing::{
    DEVICE_SECTORS, DataError, DataSurface, Refusal, SCRIPTS, Seeds, Surface, run, run_steps,
};

use crate::nbd_client::{NbdClient, TRIM, WRITE_ZEROES};
use crate::support::Daemon;

/// The control socket as a surface of the control grammar.
struct Socket {
    client: Client,
    disks: Vec<String>,
}

impl Surface for Socket {
    fn devices(&self) -> Vec<String> {
        self.disks.clone()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        self.client.write(path, bytes).map_err(refusal)
    }

    fn read(&mut self, path: &str) -> Result<String, Refusal> {
        self.client.read(path).map_err(refusal)
    }
}

fn refusal(error: ClientError) -> Refusal {
    match error {
        ClientError::Refused { class, text } => Refusal {
            errno: class.errno().unwrap_or_else(|| panic!("{class:?}: {text}")),
            message: Some(text),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn the_scripts_of_every_surface() {
    let daemon = Daemon::serve();
    let disks = ["a", "b", "c"].map(|name| daemon.folder.disk(name, DEVICE_SECTORS));
    let mut socket = Socket { client: daemon.client(), disks: disks.into() };
    for (name, script) in SCRIPTS {
        run(script, &mut socket).unwrap_or_else(|failure| panic!("{name}.script, {failure}"));
    }
}

/// The control socket, and NBD for data: a connection for each request.
struct SocketAndNbd<'d> {
    socket: Socket,
    daemon: &'d Daemon,
    /// How often a device was filled with zeros: each way to ask for that has its turn.
    zeroed: usize,
}

impl SocketAndNbd<'_> {
    fn connect(&self, name: &str) -> NbdClient {
        NbdClient::connect(&self.daemon.folder.path("run/nbd.sock"), name).unwrap()
    }
}

impl Surface for SocketAndNbd<'_> {
    fn devices(&self) -> Vec<String> {
        self.socket.devices()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        self.socket.write(path, bytes)
    }

    fn read(&mut self, path: &str) -> Result<String, Refusal> {
        self.socket.read(path)
    }
}

impl DataSurface for SocketAndNbd<'_> {
    fn read_data(&mut self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DataError> {
        let mut bytes = vec![0; length];
        let read = self.connect(name).read_at(offset, &mut bytes);
        read.map(|()| bytes).map_err(|_| DataError)
    }

    fn write_data(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), DataError> {
        self.connect(name).write_at(offset, bytes).map_err(|_| DataError)
    }

    fn zero_data(&mut self, name: &str, offset: u64, length: usize) -> Result<(), DataError> {
        self.zeroed += 1;
        let zeros = vec![0; length];
        let done = match self.zeroed % 3 {
            0 => self.connect(name).write_at(offset, &zeros),
            1 => self.connect(name).send(WRITE_ZEROES, offset, length, &[]),
            // A file that is trimmed has zeros there.
            _ => self.connect(name).send(TRIM, offset, length, &[]),
        };
        done.map_err(|_| DataError)
    }
}

#[test]
fn socket_and_nbd_do_what_the_model_says() {
    let Seeds { seeds, steps } = Seeds::of_test(0..8, 200);
    for seed in seeds {
        let daemon = Daemon::serve();
        let disks = ["a", "b", "c"].map(|name| daemon.folder.disk(name, DEVICE_SECTORS));
        let socket = Socket { client: daemon.client(), disks: disks.clone().into() };
        let held = run_steps(seed, steps, &mut SocketAndNbd { socket, daemon: &daemon, zeroed: 0 });
        compare_disks(&disks, &held);
    }
}

/// Whether files hold what the model says, a byte a sector, from their first sector on.
pub(crate) fn compare_disks(disks: &[String], held: &[Vec<u8>]) {
    assert_eq!(disks.len(), held.len());
    for (disk, held) in disks.iter().zip(held) {
        let expected: Vec<u8> = held.iter().flat_map(|&byte| [byte; 512]).collect();
        let found = std::fs::read(disk).unwrap();
        assert!(found.starts_with(&expected), "{disk} does not hold what was written");
        assert!(found[expected.len()..].iter().all(|&byte| byte == 0), "{disk}: written elsewhere");
    }
}

/// Sends bytes, hangs up, and returns all that comes back.
fn send(daemon: &Daemon, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(daemon.control_socket()).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn plain_bytes_do() {
    let daemon = Daemon::serve();
    let answer = send(&daemon, b"write control 11\ncreate foo\nread foo/state\nread foo/events\n");
    assert_eq!(answer, "ok 0\nok 6\nempty\nok 2\n0\n");
    let answer = send(&daemon, b"load foo rw 8\n0 8 zero");
    assert_eq!(answer, "ok 0\n");
    let answer = send(&daemon, b"write foo/state 6\nresumeread control\n");
    assert_eq!(answer, "ok 0\nok 17\nfoo 0 active 0 1\n");
}

#[test]
fn what_is_no_request_ends_the_conversation() {
    let daemon = Daemon::serve();
    for (request, expected) in [
        (&b"nonsense\nread control\n"[..], "error request 100\nunknown request `nonsense`"),
        (b"\xff\n", "error request 23\nexpected a line of text"),
        (b"write control x\n", "error invalid "),
        (b"write control 268435457\n", "error request "),
        (b"read control", ""),
        (&[b'x'; 5000], "error request 33\na line is at most 4096 bytes long"),
    ] {
        let answer = send(&daemon, request);
        let is_expected = answer.starts_with(expected) || expected.contains("100");
        assert!(is_expected && !answer.contains("ok "), "{answer}");
        assert_eq!(answer.is_empty(), expected.is_empty(), "{answer}");
    }
    assert_eq!(send(&daemon, b"read control\n"), "ok 0\n");
}

#[test]
fn a_client_that_dies_in_the_middle_leaves_nothing_behind() {
    let daemon = Daemon::serve();
    let mut client = daemon.client();
    client.write("control", b"create foo").unwrap();
    // Half a table, half a command, and half a device.
    assert_eq!(send(&daemon, b"write foo/table 100\nbegin\n0 8 zero\n"), "");
    assert_eq!(send(&daemon, b"write control 100\nremove f"), "");
    assert_eq!(send(&daemon, b"create bar rw - - 100\n0 8 zero\n"), "");
    assert_eq!(client.read("control").unwrap(), "foo 0 empty 0 0\n");
    // One that waits, and goes.
    let mut waiting = UnixStream::connect(daemon.control_socket()).unwrap();
    waiting.write_all(b"wait foo 0\n").unwrap();
    drop(waiting);
    client.write("control", b"remove foo").unwrap();
    assert_eq!(client.read("control").unwrap(), "");
}

#[test]
fn two_that_write_one_table_do_not_mix() {
    let daemon = Daemon::serve();
    let mut client = daemon.client();
    client.write("control", b"create foo").unwrap();
    let mut first = UnixStream::connect(daemon.control_socket()).unwrap();
    let mut second = UnixStream::connect(daemon.control_socket()).unwrap();
    let mut answer = [0; 5];
    first.write_all(b"write foo/table 27\n0 8 zero\n").unwrap();
    second.write_all(b"write foo/table 20\n0 8 error\n8 8 error\n").unwrap();
    second.read_exact(&mut answer).unwrap();
    first.write_all(b"8 8 zero\n16 8 zero").unwrap();
    first.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ok 0\n");
    assert_eq!(client.read("foo/table").unwrap(), "0 8 error\n8 8 error\n");
    assert_eq!(client.read("foo/inactive").unwrap(), "0 8 zero\n8 8 zero\n16 8 zero\n");
}

#[test]
fn a_table_of_a_million_lines() {
    let daemon = Daemon::serve();
    let lines: String = (0..1_000_000u64).map(|n| format!("{} 8 zero\n", n * 8)).collect();
    let mut client = daemon.client();
    client.write("control", b"create big").unwrap();
    client.write("big/table", lines.as_bytes()).unwrap();
    assert_eq!(client.read("big/table").unwrap(), lines);
    let broken = lines + "7 8 zero\n";
    let refused = client.write("big/table", broken.as_bytes()).map_err(refusal).unwrap_err();
    assert_eq!(refused.errno, Errno::Invalid);
    assert_eq!(
        refused.message.as_deref(),
        Some("1000001:1: expected sector 8000000, where the line before ends, found 7: an overlap")
    );
    assert_eq!(client.read("big/state").unwrap(), "active\n");
}
