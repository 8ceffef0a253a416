//! More connections than anybody needs.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use crate::hostile::{Witness, allow_descriptors, until_the_end};
use crate::nbd_client::NbdClient;
use crate::support::{DMCTL, Daemon, Folder, wait_until};

/// Connects so many times, and returns the connections over which the server began to speak; it hung
/// up on the others.
fn flood(socket: &Path, connections: usize) -> Vec<UnixStream> {
    let all: Vec<UnixStream> =
        (0..connections).map(|_| UnixStream::connect(socket).unwrap()).collect();
    let greeted = |mut stream: &UnixStream| stream.read_exact(&mut [0; 18]).is_ok();
    all.into_iter().filter(greeted).collect()
}

#[test]
fn of_a_thousand_nbd_clients_those_past_the_limit_are_turned_away() {
    allow_descriptors();
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    let (before, threads) = (daemon.memory(), daemon.status("Threads:"));
    let served = flood(&daemon.nbd_socket(), 1000);
    daemon.wait_for_log(&["an NBD client cannot be served: 256 are connected already"]);
    // The witness was there before, and another one, which may be gone.
    assert!((254..256).contains(&served.len()), "{}", served.len());
    witness.goes_on();
    let (after, threads_then) = (daemon.memory(), daemon.status("Threads:"));
    eprintln!(
        "255 clients: from {before} to {after} KiB, from {threads} to {threads_then} threads"
    );
    assert!(after < before + 256 * 256, "from {before} to {after} KiB");
    // They need not go through the handshake to be in the way of others, but others are not in theirs.
    drop(served);
    wait_until("room for a client", || NbdClient::connect(&daemon.nbd_socket(), "foo").is_ok());
    wait_until("end of the threads", || daemon.status("Threads:") <= threads + 1);
    witness.goes_on();
    witness.verify(&daemon);
}

#[test]
fn of_a_thousand_control_clients_those_past_the_limit_are_told_so() {
    allow_descriptors();
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    let before = daemon.memory();
    let socket = daemon.control_socket();
    let mut clients: Vec<UnixStream> =
        (0..1000).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let mut refused = 0;
    for client in &mut clients {
        // One that was turned away cannot be written to.
        let _ = client.write_all(b"read foo/state\n");
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        if &answer != b"ok 7\n" {
            let rest = String::from_utf8(until_the_end(client)).unwrap();
            assert_eq!(rest, " busy 33\n128 clients are connected already");
            refused += 1;
        }
    }
    assert_eq!(refused, 1000 - 128);
    daemon.wait_for_log(&["a control client is turned away: 128 clients are connected already"]);
    let said = daemon.dmctl(["ls"]).refused();
    assert_eq!(said, "dmctl: 128 clients are connected already\n");
    let after = daemon.memory();
    eprintln!("128 control clients: from {before} to {after} KiB");
    // Sanitizers keep some 300 KiB of their own for each thread.
    let is_watched =
        ["ASAN_OPTIONS", "TSAN_OPTIONS"].map(std::env::var_os).iter().any(Option::is_some);
    let each = if is_watched { 512 } else { 128 };
    assert!(after < before + 128 * each, "from {before} to {after} KiB");
    witness.goes_on();
    drop(clients);
    wait_until("room for a client", || daemon.dmctl(["ls"]).code == Some(0));
    witness.verify(&daemon);
}

#[test]
fn few_descriptors_are_enough_for_those_who_are_served() {
    let folder = Folder::new();
    let mut command = Command::new("bash");
    let limited = format!("ulimit -n 120; exec {DMCTL} --dir run serve");
    command.args(["-c", &limited]).current_dir(folder.path(""));
    let daemon = Daemon::spawn(folder, command).unwrap_or_else(|said| panic!("{said:?}"));
    let witness = Witness::on_a_file(&daemon);
    let served = flood(&daemon.nbd_socket(), 200);
    // A twelfth of the descriptors, with the witness and another one, which may be gone.
    assert!((8..10).contains(&served.len()), "{}", served.len());
    daemon.wait_for_log(&["an NBD client cannot be served: 10 are connected already"]);
    // There is room left to open disks and to answer.
    let disk = daemon.folder.disk("b.img", 8);
    daemon.dmctl(["create", "bar", "--table", &format!("0 8 linear {disk} 0")]).ok();
    // Control clients take the rest.
    let socket = daemon.control_socket();
    let clients: Vec<UnixStream> =
        (0..100).map_while(|_| UnixStream::connect(&socket).ok()).collect();
    daemon.wait_for_log(&["control client", "Too many open files"]);
    witness.goes_on();
    drop(clients);
    wait_until("room for a client", || daemon.dmctl(["ls"]).code == Some(0));
    drop(served);
    witness.verify(&daemon);
}
