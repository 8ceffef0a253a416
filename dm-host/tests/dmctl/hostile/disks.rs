//! Disks that are full, become shorter, or go away.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::files::mount;
use crate::hostile::{Witness, start};
use crate::nbd_client::{BLOCK, NbdClient, WRITE, request};
use crate::support::{DMCTL, Daemon, Folder, is_root, not_tested, sh, wait_until};

const ENGINES: [&str; 2] = ["auto", "threads"];
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn connect(daemon: &Daemon, export: &str) -> NbdClient {
    NbdClient::connect(&daemon.nbd_socket(), export).unwrap()
}

/// The number of an error that the server replied with.
fn code<T: std::fmt::Debug>(reply: std::io::Result<T>) -> i32 {
    reply.unwrap_err().raw_os_error().unwrap()
}

/// A small file system of its own, which ends with it.
struct Small {
    path: std::path::PathBuf,
}

impl Small {
    fn mount(folder: &Folder, size: &str) -> Option<Small> {
        if !is_root() {
            not_tested("a full disk, since mounting one needs root");
            return None;
        }
        let path = folder.path("small");
        sh(&format!("mkdir {0}; mount -t tmpfs -o size={size} none {0}", path.display()));
        Some(Small { path })
    }

    /// Leaves no room.
    fn fill(&self) {
        let filler = self.path.join("filler");
        sh(&format!("! cat /dev/zero > {} 2> /dev/null", filler.display()));
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path.join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

#[test]
fn a_full_disk_is_told_as_such_and_keeps_what_it_has() {
    for engine in ENGINES {
        let folder = Folder::new();
        let Some(small) = Small::mount(&folder, "4m") else { return };
        let daemon = start(folder, &["serve", "--engine", engine]);
        let witness = Witness::on_a_file(&daemon);
        let disk = daemon.folder.disk("small/a.img", 32_768);
        let table = format!("0 32768 linear {disk} 0");
        daemon.dmctl(["create", "bar", "--table", &table]).ok();
        let mut client = connect(&daemon, "bar");
        let stamp = |block: u64| [block as u8 | 1; BLOCK];
        let full = (0..4096).find(|&block| match client.write(block, &stamp(block)) {
            Ok(()) => {
                if block == 500 {
                    client.flush().unwrap();
                }
                false
            }
            failed => {
                assert_eq!(code(failed), ENOSPC);
                true
            }
        });
        let full = full.expect("4 MiB have no room for 16");
        assert!(full > 500);
        daemon.wait_for_log(&["Write", "small/a.img failed: No space left on device"]);
        witness.goes_on();
        // What was acknowledged is there, and so it is after a crash.
        (0..full).for_each(|block| assert_eq!(client.read(block).unwrap(), stamp(block)));
        assert_eq!(client.read(full).unwrap(), [0; BLOCK]);
        witness.verify(&daemon);
        let (folder, _) = daemon.stop(Signal::KILL);
        let daemon = start(folder, &["serve", "--engine", engine]);
        daemon.dmctl(["create", "bar", "--table", &table]).ok();
        let mut client = connect(&daemon, "bar");
        (0..full).for_each(|block| assert_eq!(client.read(block).unwrap(), stamp(block)));
        // There is room again, and all goes on.
        sh(&format!("mount -o remount,size=20m {}", small.path.display()));
        client.write(full, &stamp(full)).unwrap();
        client.flush().unwrap();
        let (_folder, status) = daemon.stop(Signal::TERM);
        assert!(status.success(), "{status}");
    }
}

#[test]
fn a_move_whose_record_has_no_room_waits_for_it() {
    let folder = Folder::new();
    let Some(small) = Small::mount(&folder, "64k") else { return };
    let daemon = start(folder, &["serve"]);
    let witness = Witness::on_a_file(&daemon);
    let before = daemon.dmctl(["table", "foo"]).ok();
    let to = daemon.folder.disk("to.img", 8192);
    let args = ["move", "foo", "--state", "small"];
    small.fill();
    let refused = daemon.dmctl([&args[..], &["--to", &to]].concat());
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("No space left on device"), "{refused:?}");
    assert_eq!(daemon.dmctl(["table", "foo"]).ok(), before);
    // The disk becomes full when the move is on its way.
    small.make_room();
    let mut command = daemon.folder.command();
    command.args(args).args(["--to", &to, "--limit", "2"]);
    let moving = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("mirror", || daemon.dmctl(["table", "foo"]).ok().contains("mirror"));
    small.fill();
    let moved = moving.wait_with_output().unwrap();
    let complaint = String::from_utf8(moved.stderr).unwrap();
    assert_eq!(moved.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("No space left on device"), "{complaint}");
    witness.goes_on();
    assert!(daemon.dmctl(["table", "foo"]).ok().contains("mirror"));
    small.make_room();
    let done = daemon.dmctl([&args[..], &["--resume", "--limit", "0"]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(daemon.dmctl(["table", "foo"]).ok(), format!("0 8192 linear {to} 0\n"));
    witness.verify(&daemon);
}

#[test]
fn a_file_that_becomes_shorter_fails_where_it_is_missing() {
    for engine in ENGINES {
        let daemon = start(Folder::new(), &["serve", "--engine", engine]);
        let witness = Witness::on_a_file(&daemon);
        let disk = daemon.folder.disk("bar.img", 32_768);
        daemon.dmctl(["create", "bar", "--table", &format!("0 32768 linear {disk} 0")]).ok();
        let mut client = connect(&daemon, "bar");
        client.write(100, &[1; BLOCK]).unwrap();
        client.write(3000, &[2; BLOCK]).unwrap();
        client.flush().unwrap();
        std::fs::OpenOptions::new().write(true).open(&disk).unwrap().set_len(1 << 20).unwrap();
        assert_eq!(code(client.read(3000)), EIO);
        daemon.wait_for_log(&["Read", "sector 24000", "bar.img failed: there is nothing"]);
        assert_eq!(client.read(100).unwrap(), [1; BLOCK]);
        // To write is to make it longer again.
        let mut client = connect(&daemon, "bar");
        client.write(3000, &[3; BLOCK]).unwrap();
        assert_eq!(client.read(3000).unwrap(), [3; BLOCK]);
        witness.goes_on();
        witness.verify(&daemon);
    }
}

#[test]
fn a_limit_on_the_length_of_files_cuts_writes_and_kills_nobody() {
    for engine in ENGINES {
        let folder = Folder::new();
        let mut command = Command::new("bash");
        let limited = format!("ulimit -f 8192; exec {DMCTL} --dir run serve --engine {engine}");
        command.args(["-c", &limited]).current_dir(folder.path(""));
        let daemon = Daemon::spawn(folder, command).unwrap_or_else(|said| panic!("{said:?}"));
        let witness = Witness::on_a_file(&daemon);
        let disk = daemon.folder.disk("bar.img", 32_768);
        daemon.dmctl(["create", "bar", "--table", &format!("0 32768 linear {disk} 0")]).ok();
        // The system writes the first half of it, and refuses the second with a signal.
        let mut client = connect(&daemon, "bar");
        let at = (8 << 20) - 2 * BLOCK as u64;
        client.stream().write_all(&request(WRITE, at, 4 * BLOCK as u32)).unwrap();
        client.stream().write_all(&[7; 4 * BLOCK]).unwrap();
        assert_eq!(client.reply().unwrap(), ENOSPC as u32);
        daemon.wait_for_log(&["Write", "bar.img failed: File too large"]);
        assert_eq!(client.read(2047).unwrap(), [7; BLOCK]);
        assert_eq!(client.read(2048).unwrap(), [0; BLOCK]);
        witness.goes_on();
        witness.verify(&daemon);
    }
}

#[test]
fn a_device_whose_file_system_dies_fails_alone() {
    let Some(below) = mount() else { return };
    let disk = below.folder.disk("far.img", 8192);
    below.dmctl(["create", "far", "--table", &format!("0 8192 linear {disk} 0")]).ok();
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    let far = below.folder.path("dm/far/data");
    let table = format!("0 8192 linear {} 0", far.display());
    daemon.dmctl(["create", "bar", "--table", &table]).ok();
    let mut client = connect(&daemon, "bar");
    client.write(9, &[9; BLOCK]).unwrap();
    client.flush().unwrap();
    let (folder, _) = below.stop(Signal::KILL);
    assert_eq!(code(client.write(10, &[1; BLOCK])), EIO);
    assert_eq!(code(client.read(10)), EIO);
    daemon.wait_for_log(&["Write", "sector 80 of", "far/data failed: "]);
    witness.goes_on();
    witness.verify(&daemon);
    // What cannot be flushed any more is told, and the daemon ends all the same.
    let log = daemon.log_handle();
    let (_, status) = daemon.stop(Signal::TERM);
    assert_eq!(status.code(), Some(1));
    wait_until("complaint", || log.lock().unwrap().contains("bar could not be flushed"));
    // What was flushed is there.
    let below = start(folder, &["mount", "dm"]);
    below.dmctl(["create", "far", "--table", &format!("0 8192 linear {disk} 0")]).ok();
    assert_eq!(connect(&below, "far").read(9).unwrap(), [9; BLOCK]);
}

#[test]
fn a_device_whose_server_dies_holds_back_its_own_requests_alone() {
    let below = Daemon::serve();
    let disk = below.folder.disk("far.img", 8192);
    let table = format!("0 8192 linear {disk} 0");
    below.dmctl(["create", "far", "--table", &table]).ok();
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    let far = format!("nbd+unix:///far?socket={}", below.nbd_socket().display());
    daemon.dmctl(["create", "bar", "--table", &format!("0 8192 linear {far} 0")]).ok();
    let mut client = connect(&daemon, "bar");
    client.write(9, &[9; BLOCK]).unwrap();
    client.flush().unwrap();
    let (folder, _) = below.stop(Signal::KILL);
    let waiting = std::thread::spawn(move || client.read(9));
    daemon.wait_for_log(&["an NBD server is gone, looking for it"]);
    witness.goes_on();
    let below = start(folder, &["serve"]);
    below.dmctl(["create", "far", "--table", &table]).ok();
    assert_eq!(waiting.join().unwrap().unwrap(), [9; BLOCK]);
    witness.goes_on();
    witness.verify(&daemon);
    // Before the server below: what it flushes would wait for that.
    let (_folder, status) = daemon.stop(Signal::TERM);
    assert!(status.success());
    drop(below);
}

/// A server that hangs, until this is dropped, and keeps its connections.
struct Hung<'d>(&'d Daemon);

impl Hung<'_> {
    fn new(daemon: &Daemon) -> Hung<'_> {
        daemon.signal(Signal::STOP);
        let has_stopped = |thread: std::fs::DirEntry| {
            let status = std::fs::read_to_string(thread.path().join("status")).unwrap();
            status.contains("State:\tT")
        };
        let threads = format!("/proc/{}/task", daemon.pid().as_raw_nonzero());
        wait_until("stop", || std::fs::read_dir(&threads).unwrap().flatten().all(has_stopped));
        Hung(daemon)
    }
}

impl Drop for Hung<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}

/// A daemon, and a table that lies on an export of the one below.
fn over(below: &Daemon) -> (Daemon, String) {
    let disk = below.folder.disk("far.img", 8192);
    below.dmctl(["create", "far", "--table", &format!("0 8192 linear {disk} 0")]).ok();
    let socket = below.nbd_socket();
    let far = format!("nbd+unix:///far?socket={}&reconnect-delay=1", socket.display());
    (Daemon::serve(), format!("0 8192 linear {far} 0"))
}

#[test]
fn a_server_that_hangs_is_waited_for_and_holds_back_its_own_requests_alone() {
    let below = Daemon::serve();
    let (daemon, table) = over(&below);
    let witness = Witness::new(&daemon, &table);
    let disk = daemon.folder.disk("near.img", 8192);
    daemon.dmctl(["create", "bar", "--table", &format!("0 8192 linear {disk} 0")]).ok();
    let [mut near, mut far] = ["bar", "foo"].map(|name| connect(&daemon, name));
    witness.goes_on();
    let hung = Hung::new(&below);
    let waiting = std::thread::spawn(move || far.read(1));
    // For longer than requests would wait for one that is gone.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(3) {
        near.write(9, &[9; BLOCK]).unwrap();
        near.flush().unwrap();
        assert_eq!(near.read(9).unwrap(), [9; BLOCK]);
        daemon.dmctl(["create", "other", "--table", "0 8 zero"]).ok();
        daemon.dmctl(["remove", "other"]).ok();
    }
    assert!(!waiting.is_finished());
    drop(hung);
    assert_eq!(waiting.join().unwrap().unwrap(), [0; BLOCK]);
    witness.goes_on();
    witness.verify(&daemon);
    assert!(!daemon.log().contains("an NBD server is gone"), "{}", daemon.log());
}

#[test]
fn sigterm_waits_for_a_server_that_hangs_and_another_does_not() {
    for waits in [true, false] {
        let below = Daemon::serve();
        let (daemon, table) = over(&below);
        daemon.dmctl(["create", "foo", "--table", &table]).ok();
        let hung = Hung::new(&below);
        let log = daemon.log_handle();
        daemon.signal(Signal::TERM);
        daemon.wait_for_log(&["stopping, on SIGTERM"]);
        if waits {
            drop(hung);
            assert_eq!(daemon.wait().1.code(), Some(0));
        } else {
            assert_eq!(daemon.stop(Signal::TERM).1.code(), Some(1));
            wait_until("line", || log.lock().unwrap().contains("not waiting any more"));
        }
    }
}

/// A server that answers whoever connects with these bytes, once it has heard so many.
fn liar(folder: &Folder, name: &str, heard: usize, bytes: Vec<u8>) -> String {
    let path = folder.path(name);
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(&bytes[..18.min(bytes.len())]);
            let _ = stream.read_exact(&mut vec![0; heard]);
            let _ = stream.write_all(&bytes[18.min(bytes.len())..]);
        }
    });
    format!("nbd+unix:///far?socket={}", path.display())
}

#[test]
fn servers_that_lie_are_not_used() {
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    let before = daemon.memory();
    let greeting = b"NBDMAGICIHAVEOPT\0\x03".to_vec();
    let mut long = greeting.clone();
    // An answer to the option GO, of 4 GiB.
    long.extend(0x0003_e889_0455_65a9_u64.to_be_bytes());
    long.extend([0, 0, 0, 7, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff]);
    for (name, heard, bytes) in [
        ("noise", 0, vec![0x55; 100_000]),
        ("silence", 0, Vec::new()),
        ("long", 4 + 16, long),
        ("short", 4, greeting),
    ] {
        let far = liar(&daemon.folder, name, heard, bytes);
        let table = format!("0 8 linear {far} 0");
        daemon.dmctl(["create", "bar", "--table", &table]).refused();
    }
    daemon.wait_for_log(&["an NBD export does not open"]);
    let after = daemon.memory();
    assert!(after < before + 8 * 1024, "from {before} to {after} KiB");
    witness.goes_on();
    witness.verify(&daemon);
}
