//! SIGTERM and SIGKILL while requests are on their way.

use std::io::Write;

use rustix::process::Signal;

use crate::files::mount_with;
use crate::hostile::{Witness, start};
use crate::nbd_client::{BLOCK, NbdClient, READ, WRITE, request};
use crate::support::{Daemon, Folder, wait_until};

const ENGINES: [&str; 2] = ["auto", "threads"];

/// Two daemons, one on the file of the other, which writes down what is asked of it.
fn stacked(engine: &str) -> Option<(Daemon, Daemon, String)> {
    let below = mount_with(&["--record", "requests"])?;
    let disk = below.folder.disk("far.img", 8192);
    below.dmctl(["create", "far", "--table", &format!("0 8192 linear {disk} 0")]).ok();
    let daemon = start(Folder::new(), &["serve", "--engine", engine]);
    let table = format!("0 8192 linear {} 0", below.folder.path("dm/far/data").display());
    Some((below, daemon, table))
}

/// What was asked of the lower daemon, in order: `w` for a write, `f` for a flush.
fn asked(below: Daemon) -> String {
    let (folder, status) = below.stop(Signal::TERM);
    assert!(status.success(), "{status}");
    let requests = std::fs::read_to_string(folder.path("requests")).unwrap();
    let letter = |line: &str| line.strip_prefix("far ").and_then(|rest| rest.chars().next());
    requests.lines().filter_map(letter).filter(|letter| "wf".contains(*letter)).collect()
}

#[test]
fn sigterm_drains_and_flushes() {
    for engine in ENGINES {
        let Some((below, daemon, table)) = stacked(engine) else { return };
        let witness = Witness::new(&daemon, &table);
        witness.goes_on();
        let log = daemon.log_handle();
        let (folder, status) = daemon.stop(Signal::TERM);
        assert!(status.success(), "{status}");
        wait_until("line", || log.lock().unwrap().contains("stopping, on SIGTERM"));
        // What was acknowledged is there.
        let mut blocks = witness.writer.join();
        let daemon = start(folder, &["serve"]);
        daemon.dmctl(["create", "foo", "--table", &table]).ok();
        blocks.verify(&mut NbdClient::connect(&daemon.nbd_socket(), "foo").unwrap());
        let (_, status) = daemon.stop(Signal::KILL);
        assert!(!status.success());
        let asked = asked(below);
        assert!(asked.len() > 256 && asked.ends_with("wf"), "{engine}: {asked}");
    }
}

#[test]
fn sigkill_loses_nothing_that_was_flushed() {
    for engine in ENGINES {
        let Some((below, daemon, table)) = stacked(engine) else { return };
        daemon.dmctl(["create", "foo", "--table", &table]).ok();
        let mut client = NbdClient::connect(&daemon.nbd_socket(), "foo").unwrap();
        (0..64).for_each(|block| client.write(block, &[block as u8; BLOCK]).unwrap());
        client.flush().unwrap();
        let (folder, status) = daemon.stop(Signal::KILL);
        assert!(!status.success());
        let daemon = start(folder, &["serve"]);
        daemon.dmctl(["create", "foo", "--table", &table]).ok();
        let mut client = NbdClient::connect(&daemon.nbd_socket(), "foo").unwrap();
        (0..64).for_each(|block| assert_eq!(client.read(block).unwrap(), [block as u8; BLOCK]));
        drop((client, daemon.stop(Signal::KILL)));
        // The flush went all the way down before it was acknowledged.
        assert_eq!(asked(below), "w".repeat(64) + "f", "{engine}");
    }
}

#[test]
fn sigterm_waits_for_no_client_that_does_not_come_to_an_end() {
    let daemon = Daemon::serve();
    let disk = daemon.folder.disk("a.img", 65_536);
    daemon.dmctl(["create", "foo", "--table", &format!("0 65536 linear {disk} 0")]).ok();
    let connect = || NbdClient::connect(&daemon.nbd_socket(), "foo").unwrap();
    // One in the middle of a write, one that takes no replies, and one that says nothing at all.
    let (mut half, mut deaf) = (connect(), connect());
    half.stream().write_all(&request(WRITE, 0, 1 << 20)).unwrap();
    half.stream().write_all(&[1; 1000]).unwrap();
    for n in 0..16 {
        deaf.stream().write_all(&request(READ, n << 20, 1 << 20)).unwrap();
    }
    let mute = std::os::unix::net::UnixStream::connect(daemon.nbd_socket()).unwrap();
    // Among them one whose write is whole, and acknowledged.
    connect().write(5000, &[5; BLOCK]).unwrap();
    let (folder, status) = daemon.stop(Signal::TERM);
    assert!(status.success(), "{status}");
    drop((half, deaf, mute));
    let written = crate::support::bytes_at(folder.path("a.img"), 5000 * BLOCK as u64, BLOCK);
    assert_eq!(written, [5; BLOCK]);
}
