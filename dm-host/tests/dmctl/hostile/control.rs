//! Control clients that do not keep to the protocol, or do not listen.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use crate::hostile::{Witness, until_the_end};
use crate::support::{Daemon, wait_until};

/// Writes as much of a gigabyte as is taken; returns how much that was.
fn write_a_gigabyte(mut stream: &UnixStream) -> usize {
    let piece = [b'x'; 1 << 16];
    let mut written = 0;
    while written < 1 << 30 {
        match stream.write(&piece) {
            Ok(bytes) => written += bytes,
            Err(_) => break,
        }
    }
    written
}

#[test]
fn a_gigabyte_without_a_line_feed_is_refused_at_its_beginning() {
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    let before = daemon.memory();
    let mut stream = UnixStream::connect(daemon.control_socket()).unwrap();
    let taken = write_a_gigabyte(&stream);
    assert!(taken < 1 << 24, "{taken} bytes were taken");
    let mut answer = [0; 50];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"error request 33\na line is at most 4096 bytes long");
    daemon.wait_for_log(&["control client is disconnected: a line is at most 4096 bytes long"]);
    let after = daemon.memory();
    assert!(after < before + 8 * 1024, "from {before} to {after} KiB");
    witness.goes_on();
    witness.verify(&daemon);
}

#[test]
fn a_command_without_an_end_is_refused_as_soon_as_it_is_too_long() {
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    let before = daemon.memory();
    let mut client = daemon.client();
    let refused = client.write("control", &vec![b'x'; 256 << 20]).unwrap_err();
    assert!(refused.to_string().contains("longer"), "{refused}");
    // It was read to its end, so that the next request has its place.
    assert_eq!(client.read("foo/state").unwrap(), "active\n");
    let after = daemon.memory();
    assert!(after < before + 8 * 1024, "from {before} to {after} KiB");
    witness.goes_on();
    witness.verify(&daemon);
}

#[test]
fn clients_share_the_room_for_what_they_announce() {
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    let announce = |bytes: u64| {
        let mut stream = UnixStream::connect(daemon.control_socket()).unwrap();
        stream.write_all(format!("load foo rw {bytes}\n").as_bytes()).unwrap();
        stream
    };
    let large = 256 << 20;
    let waiting = [announce(large), announce(large)];
    let refused = "error no-memory 36\nothers are sending too much as it is";
    let mut third = String::new();
    wait_until("refusal", || {
        // The first two may not have been looked at yet.
        let mut stream = announce(large);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        third.clear();
        let _ = stream.read_to_string(&mut third);
        !third.is_empty()
    });
    assert_eq!(third, refused);
    daemon.wait_for_log(&["control client is disconnected: others are sending too much"]);
    // What has no bytes behind it is always answered.
    daemon.dmctl(["status", "foo"]).ok();
    witness.goes_on();
    drop(waiting);
    wait_until("room", || daemon.dmctl(["load", "foo", "--table", "0 8192 zero"]).code == Some(0));
    witness.verify(&daemon);
}

#[test]
fn a_client_that_does_not_take_its_answer_keeps_nobody_from_stopping() {
    let daemon = Daemon::serve();
    let lines: String = (0..100_000u64).map(|n| format!("{} 8 zero\n", n * 8)).collect();
    let mut client = daemon.client();
    client.write("control", b"create big").unwrap();
    client.write("big/table", lines.as_bytes()).unwrap();
    let mut deaf = UnixStream::connect(daemon.control_socket()).unwrap();
    deaf.write_all(b"read big/table\n").unwrap();
    // It has begun to answer.
    deaf.read_exact(&mut [0; 3]).unwrap();
    let log = daemon.log_handle();
    let (_, status) = daemon.stop(Signal::TERM);
    assert!(status.success(), "{status}");
    wait_until("line", || {
        log.lock().unwrap().contains("1 control clients do not take their answers")
    });
    assert!(until_the_end(&deaf).len() < lines.len());
}
