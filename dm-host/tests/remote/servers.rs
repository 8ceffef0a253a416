//! What goes to servers and back, and what they refuse.

use std::time::{Duration, Instant};

use dm_core::{BioFlags, IoError, Mode};
use dm_host::{BlockIo, Zeroing};

use crate::support::{
    MEGABYTE, Setup, free_port, nbdkit, pattern, qemu_nbd, start, uri, write_stripe,
};

#[test]
fn a_stripe_over_two_servers_has_its_bytes_where_they_must_be() {
    let setup = Setup::new();
    let (a, b) = (setup.file("a", MEGABYTE), setup.file("b", MEGABYTE));
    let (first, second) = (setup.path("first"), setup.path("second"));
    let _servers = (nbdkit(&first, &a, &[]), qemu_nbd(&second, &b, &[]));
    let (first, second) = (uri(&first, ""), uri(&second, "disk"));
    let io = setup.open(&format!("0 4096 striped 2 8 {first} 0 {second} 0"));
    let written = write_stripe(&io, [&a, &b]);
    io.flush().unwrap();
    let mut read = vec![0; written.len()];
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
    let _server = qemu_nbd(&other, &setup.file("b", MEGABYTE), &[]);
    let setup = Setup { mapper: Setup::new().mapper, ..setup };
    let refused = setup.try_open(&format!("0 8 linear {} 0", uri(&other, "no")), Mode::ReadOnly);
    assert!(refused.err().unwrap().contains("no such device"));
}

#[test]
fn a_server_on_tcp_and_one_that_fails() {
    let setup = Setup::new();
    let a = setup.file("a", MEGABYTE);
    let port = free_port();
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
