//! Servers that go away: for a while, and for too long.

use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dm_core::{BioFlags, IoError, Mode, Open};
use dm_host::nbd::Server;
use dm_host::{MirrorStatus, UserHost};

use crate::support::{
    MEGABYTE, Running, Setup, free_port, nbdkit, nbdkit_on_tcp, pattern, qemu_nbd, qemu_nbd_on_tcp,
    uri,
};

#[test]
fn requests_fail_after_the_delay_and_go_on_when_the_server_is_back() {
    let setup = Setup::new();
    let a = setup.file("a", MEGABYTE);
    let socket = setup.path("socket");
    let server = nbdkit(&socket, &a, &[]);
    let io = setup.open(&format!("0 2048 linear {}&reconnect-delay=1 0", uri(&socket, "")));
    io.write_at(&pattern(4096, 1), 0, BioFlags::empty()).unwrap();
    drop(server);
    // One that waits, and one that comes when there is no more waiting.
    for _ in 0..2 {
        let failed = io.write_at(&pattern(4096, 2), 0, BioFlags::empty());
        assert_eq!(failed, Err(IoError::NoDevice));
        assert_eq!(io.read_at(&mut [0; 4096], 0), Err(IoError::NoDevice));
    }
    assert!(std::fs::read(&a).unwrap()[..4096] == pattern(4096, 1));
    let _server = nbdkit(&socket, &a, &[]);
    let begin = Instant::now();
    while io.write_at(&pattern(4096, 3), 0, BioFlags::empty()).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not come back");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(std::fs::read(&a).unwrap()[..4096] == pattern(4096, 3));
}

#[test]
fn requests_fail_while_what_is_in_the_place_of_the_server_keeps_quiet() {
    let setup = Setup::new();
    let a = setup.file("a", MEGABYTE);
    let socket = setup.path("socket");
    let server = nbdkit(&socket, &a, &[]);
    let io = setup.open(&format!("0 2048 linear {}&reconnect-delay=1 0", uri(&socket, "")));
    drop(server);
    std::fs::remove_file(&socket).unwrap();
    let quiet = UnixListener::bind(&socket).unwrap();
    for _ in 0..2 {
        assert_eq!(io.read_at(&mut [0; 4096], 0), Err(IoError::NoDevice));
    }
    drop(quiet);
    let _server = nbdkit(&socket, &a, &[]);
    let begin = Instant::now();
    while io.read_at(&mut [0; 4096], 0).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not come back");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_mirror_goes_on_without_a_server_and_a_reload_makes_it_whole() {
    let setup = Setup::new();
    let files = [setup.file("a", 4 * MEGABYTE), setup.file("b", 4 * MEGABYTE)];
    let sockets = [setup.path("first"), setup.path("second")];
    let _first = nbdkit(&sockets[0], &files[0], &[]);
    let second = qemu_nbd(&sockets[1], &files[1], &[]);
    let uris = [uri(&sockets[0], ""), uri(&sockets[1], "disk")];
    let table = format!(
        "0 8192 mirror core 1 64 2 {}&reconnect-delay=3 0 {}&reconnect-delay=3 0 1 handle_errors",
        uris[0], uris[1]
    );
    let io = setup.open(&table);
    let in_sync = |status: &MirrorStatus| {
        status.in_sync == status.regions && status.legs.iter().all(|leg| leg.state == 'A')
    };
    wait_for_status(io.open(), in_sync);
    drop(second);
    let written = pattern(4 << 20, 7);
    assert_eq!(io.write_at(&written, 0, BioFlags::empty()), Ok(written.len()));
    io.flush().unwrap();
    assert!(std::fs::read(&files[0]).unwrap() == written);
    wait_for_status(io.open(), |status| status.legs[1].state != 'A');
    assert_eq!(io.read_at(&mut vec![0; 65536], 0), Ok(65536));
    let _second = qemu_nbd(&sockets[1], &files[1], &[]);
    let device = io.open().device();
    let tell = &mut |error: dm_core::LoadError<'_>| panic!("{error}");
    setup.mapper.load(device, table.as_bytes(), Mode::ReadWrite, tell).unwrap();
    setup.mapper.host().wait(&device.resume().unwrap());
    wait_for_status(io.open(), in_sync);
    assert!(std::fs::read(&files[1]).unwrap() == written);
}

/// Waits until the one mirror that a device is made of is in a condition.
fn wait_for_status(open: &Open<UserHost>, right: impl Fn(&MirrorStatus) -> bool) {
    let begin = Instant::now();
    loop {
        let mut status = String::new();
        open.device().table().unwrap().write_status(&mut status).unwrap();
        let found = status.split_once("mirror ").and_then(|(_, rest)| MirrorStatus::parse(rest));
        if found.as_ref().is_some_and(&right) {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{status}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Has fio write and verify `export` of a server in a folder, until `over`.
fn fio_until(over: &AtomicBool, setup: &Setup, export: &str) -> u32 {
    let uri = format!("--uri={}", uri(&setup.path("nbd"), export));
    let mut runs = 0;
    while !over.load(Ordering::SeqCst) || runs == 0 {
        let mut fio = Command::new("fio");
        fio.args(["--name=verify", "--ioengine=nbd", &uri, "--rw=randwrite", "--size=8m"]);
        fio.args(["--bsrange=4k-64k", "--iodepth=16", "--verify=crc32c", "--verify_fatal=1"]);
        fio.args([&format!("--randseed={runs}"), "--verify_state_save=0"]);
        let output = fio.output().unwrap_or_else(|error| panic!("fio: {error}"));
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && printed.contains("err= 0"), "{printed}\n{output:?}");
        runs += 1;
    }
    runs
}

/// Runs fio on a table over four servers while each is killed and started again, several times.
fn killed_under_fio(table: impl Fn(&[String]) -> String) -> (Setup, Vec<String>) {
    let setup = Setup::new();
    let files: Vec<String> =
        (0..4).map(|n| setup.file(&format!("file{n}"), 8 * MEGABYTE)).collect();
    let sockets = [setup.path("socket0"), setup.path("socket1")];
    let ports = [free_port(), free_port()];
    let launch = |n: usize| match n {
        0 => nbdkit(&sockets[0], &files[0], &[]),
        1 => qemu_nbd(&sockets[1], &files[1], &[]),
        2 => nbdkit_on_tcp(ports[0], &files[2], &[]),
        _ => qemu_nbd_on_tcp(ports[1], &files[3]),
    };
    let mut servers: Vec<Option<Running>> = (0..4).map(|n| Some(launch(n))).collect();
    let uris = [
        uri(&sockets[0], ""),
        uri(&sockets[1], "disk"),
        format!("nbd://127.0.0.1:{}/", ports[0]),
        format!("nbd://127.0.0.1:{}/disk", ports[1]),
    ];
    let io = setup.open(&table(&uris));
    let server = Server::bind_unix(&setup.path("nbd")).unwrap();
    server.serve(setup.mapper.clone()).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let fio = scope.spawn(|| fio_until(&over, &setup, "disk"));
        for n in 0..12 {
            std::thread::sleep(Duration::from_millis(150));
            // Killed, at once.
            servers[n % 4] = None;
            std::thread::sleep(Duration::from_millis(50));
            servers[n % 4] = Some(launch(n % 4));
        }
        over.store(true, Ordering::SeqCst);
        assert!(fio.join().unwrap() > 0);
    });
    io.flush().unwrap();
    (setup, files)
}

#[test]
fn fio_verifies_a_stripe_whose_servers_are_killed_and_come_back() {
    let (_setup, files) = killed_under_fio(|uris| {
        let legs: Vec<String> = uris.iter().map(|uri| format!("{uri} 0")).collect();
        format!("0 65536 striped 4 16 {}", legs.join(" "))
    });
    for file in files {
        assert!(std::fs::read(file).unwrap().iter().any(|&byte| byte != 0));
    }
}

#[test]
fn fio_verifies_mirrors_whose_servers_are_killed_and_come_back() {
    let (_setup, files) = killed_under_fio(|uris| {
        let mirror = |start: u64, a: &str, b: &str| {
            format!("{start} 8192 mirror core 2 64 nosync 2 {a} 0 {b} 0 1 handle_errors\n")
        };
        mirror(0, &uris[0], &uris[1]) + &mirror(8192, &uris[2], &uris[3])
    });
    // Nobody waited longer than for a restart, so that no leg was given up.
    let files: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(files[0] == files[1] && files[2] == files[3]);
    assert!(files[0].iter().any(|&byte| byte != 0));
}
