//! NBD clients that send what they should not, and do not take what they asked for.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::hostile::{Witness, until_the_end};
use crate::nbd_client::{FLUSH, NbdClient, READ, WRITE, request};
use crate::support::{Daemon, wait_until};
use crate::workload::Random;

const MIB: u32 = 1 << 20;

/// A device `bar` of 64 MiB, of a file without blocks, for whoever misbehaves.
fn bar(daemon: &Daemon) {
    let disk = daemon.folder.disk("bar.img", 131_072);
    daemon.dmctl(["create", "bar", "--table", &format!("0 131072 linear {disk} 0")]).ok();
}

fn connect(daemon: &Daemon) -> NbdClient {
    NbdClient::connect(&daemon.nbd_socket(), "bar").unwrap()
}

#[test]
fn garbage_instead_of_a_handshake_ends_it() {
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    let mut random = Random::new(1);
    let noise: Vec<u8> = (0..1 << 16).map(|_| random.below(256) as u8 | 4).collect();
    let flags = [0, 0, 0, 3];
    let long = [&flags[..], b"IHAVEOPT\0\0\0\x07\xff\xff\xff\xff"].concat();
    let cases: [(&[u8], &str); 4] = [
        (&noise, "handshake flags that nobody knows"),
        (&[0, 0, 0, 2], "does not speak the fixed newstyle"),
        (&[&flags[..], b"GET / HTTP/1.1\r\n\r\n"].concat(), "does not begin with IHAVEOPT"),
        (&long, "an option is 4294967295 bytes long"),
    ];
    for (bytes, why) in cases {
        let mut stream = UnixStream::connect(daemon.nbd_socket()).unwrap();
        // The server may have hung up before all of it is sent.
        let _ = stream.write_all(bytes);
        assert_eq!(until_the_end(&stream).len(), 18, "the greeting, and the end");
        daemon.wait_for_log(&["NBD client", "is disconnected: the handshake went wrong", why]);
    }
    witness.goes_on();
    witness.verify(&daemon);
}

#[test]
fn garbage_instead_of_a_request_ends_it() {
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    bar(&daemon);
    let mut client = connect(&daemon);
    client.write(5, &[7; 4096]).unwrap();
    let _ = client.stream().write_all(&[0x55; 100_000]);
    assert!(until_the_end(client.stream()).is_empty());
    daemon.wait_for_log(&["NBD client", "cannot be understood: a request begins with 0x55555555"]);
    assert_eq!(connect(&daemon).read(5).unwrap(), [7; 4096]);
    witness.goes_on();
    witness.verify(&daemon);
}

#[test]
fn lengths_that_are_lies_take_no_memory() {
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    bar(&daemon);
    let before = daemon.memory();
    // More than the protocol allows: nothing that follows has a meaning.
    let mut client = connect(&daemon);
    client.stream().write_all(&request(WRITE, 0, u32::MAX)).unwrap();
    assert!(until_the_end(client.stream()).is_empty());
    daemon.wait_for_log(&["NBD client", "it wants to write 4294967295 bytes at once"]);
    // As much as it allows, which never comes.
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut client = connect(&daemon);
        client.stream().write_all(&request(WRITE, 0, 32 * MIB)).unwrap();
        client.stream().write_all(&[1; 1000]).unwrap();
        waiting.push(client);
    }
    // Reads past the end, or of more than can be sent, are refused one by one.
    let mut client = connect(&daemon);
    for (offset, length) in
        [(64 << 20, 4096), (0, 64 * MIB), (u64::MAX - 511, 512), (0, 0), (1, 512), (0, u32::MAX)]
    {
        client.stream().write_all(&request(READ, offset, length)).unwrap();
        assert_eq!(client.reply().unwrap(), 22, "EINVAL for {length} bytes at {offset}");
    }
    witness.goes_on();
    let after = daemon.memory();
    assert!(after < before + 32 * 1024, "from {before} to {after} KiB");
    drop(waiting);
    witness.verify(&daemon);
}

#[test]
fn whoever_does_not_read_replies_gets_no_more() {
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    bar(&daemon);
    let before = daemon.memory();
    const CLIENTS: usize = 8;
    let mut clients: Vec<NbdClient> = (0..CLIENTS).map(|_| connect(&daemon)).collect();
    for client in &mut clients {
        // 256 MiB each, were they all to be kept.
        for n in 0..256 {
            client.stream().write_all(&request(READ, (n % 64) << 20, MIB)).unwrap();
        }
    }
    (0..20).for_each(|_| witness.goes_on());
    let after = daemon.memory();
    // 4 MiB for replies, and what the memory allocator keeps for the next ones.
    let most = CLIENTS as u64 * 9 * 1024;
    assert!(after < before + most, "from {before} to {after} KiB");
    eprintln!("{CLIENTS} clients that do not read: from {before} to {after} KiB");
    // They can still have what they asked for.
    for client in &mut clients {
        for _ in 0..256 {
            assert_eq!(client.reply().unwrap(), 0);
            client.stream().read_exact(&mut vec![1; MIB as usize]).unwrap();
        }
    }
    witness.verify(&daemon);
}

#[test]
fn whoever_vanishes_in_the_middle_of_a_request_leaves_nothing() {
    let daemon = Daemon::serve();
    let witness = Witness::on_a_file(&daemon);
    bar(&daemon);
    let mut random = Random::new(3);
    let mut threads = 0;
    for round in 0..200 {
        let mut client = connect(&daemon);
        let mut bytes = request(READ, 0, 4 * MIB);
        bytes.extend(request(FLUSH, 0, 0));
        bytes.extend(request(WRITE, 1 << 20, 64 << 10));
        bytes.extend(vec![9; random.below(64 << 10) as usize]);
        let half = random.below(bytes.len() as u64) as usize;
        client.stream().write_all(&bytes[..half]).unwrap();
        drop(client);
        if round == 20 {
            threads = daemon.status("Threads:");
        }
    }
    let is_idle = || {
        let info = daemon.dmctl(["info", "bar", "--json"]).ok();
        info.contains("\"open_count\": 0")
    };
    wait_until("end of all of them", is_idle);
    let now = daemon.status("Threads:");
    assert!(now <= threads + 20, "from {threads} to {now} threads");
    // The write was whole in none of them.
    assert_eq!(connect(&daemon).read(256).unwrap(), [0; 4096]);
    wait_until("end of the last client", is_idle);
    daemon.dmctl(["remove", "bar"]).ok();
    witness.goes_on();
    witness.verify(&daemon);
}
