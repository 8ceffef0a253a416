//! Mirrors under load: while lines are moved, while a leg fails, and after a restart.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::nbd_client::{BLOCK, NbdClient};
use crate::support::{Daemon, sh};

const SECTORS: u64 = 65536;

/// Has fio write everywhere at random, and verify it, again and again until `over`; returns how often.
fn fio_verify(daemon: &Daemon, over: &AtomicBool, seed: u32) -> u32 {
    let (root, mut runs) = (daemon.folder.path(""), 0);
    while !over.load(Ordering::SeqCst) || runs == 0 {
        let seed = seed + runs;
        let printed = sh(&format!(
            "cd {root}
            fio --name=verify --ioengine=nbd --uri='nbd+unix:///foo?socket={root}run/nbd.sock' \
                --rw=randwrite --size={size} --bsrange=512-64k --bs_unaligned=0 --blockalign=512 \
                --iodepth=16 --verify=crc32c --verify_fatal=1 --verify_state_save=0 \
                --randseed={seed}",
            root = root.display(),
            size = SECTORS * 512,
        ));
        assert!(printed.contains("err= 0"), "{printed}");
        runs += 1;
    }
    runs
}

fn compare(daemon: &Daemon, legs: &[&str]) {
    let root = daemon.folder.path("");
    let first = legs[0];
    for leg in legs {
        sh(&format!("cd {}; cmp {first} {leg}", root.display()));
    }
}

#[test]
fn fio_verifies_a_device_that_is_moved_to_and_fro() {
    let daemon = Daemon::serve();
    let [a, b] = ["a.img", "b.img"].map(|name| daemon.folder.disk(name, SECTORS));
    let half = SECTORS / 2;
    let table = |leg: &str| format!("0 {half} linear {leg} 0\n{half} {half} linear {leg} {half}\n");
    daemon.dmctl(["create", "foo", "--table", &table(&a)]).ok();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let fio = scope.spawn(|| fio_verify(&daemon, &over, 20011));
        let (mut from, mut to) = (&a, &b);
        // Some as fast as can be, some so slowly that there is much to write meanwhile.
        for limit in ["0", "100", "25", "0"] {
            daemon.dmctl(["move", "foo", "--to", to, "--limit", limit]).ok();
            assert_eq!(daemon.dmctl(["table", "foo"]).ok(), table(to));
            std::mem::swap(&mut from, &mut to);
        }
        over.store(true, Ordering::SeqCst);
        assert!(fio.join().unwrap() > 0);
    });
}

/// Waits until the status of the device has this in it.
fn wait_for(daemon: &Daemon, what: &str) {
    loop {
        let event = daemon.client().read("foo/events").unwrap();
        let status = daemon.dmctl(["status", "foo"]).ok();
        if status.contains(what) {
            return;
        }
        daemon.dmctl(["wait", "foo", event.trim_end(), "--timeout", "60"]).ok();
    }
}

/// A mirror with a log on disk, whose last leg fails under load and comes back.
fn a_leg_fails(legs: &[&str]) {
    let daemon = Daemon::serve();
    for name in legs.iter().chain(&["log.img"]) {
        daemon.folder.disk(name, SECTORS);
    }
    let (last, others) = legs.split_last().unwrap();
    let good = format!("0 {SECTORS} linear {last} 0");
    daemon.dmctl(["create", "last", "--table", &good]).ok();
    let words: String = others.iter().map(|leg| format!("{leg} 0 ")).collect();
    let count = legs.len();
    let rest = format!("{count} {words}last 0 1 handle_errors");
    let table = format!("0 {SECTORS} mirror disk 2 log.img 1024 {rest}");
    daemon.dmctl(["create", "foo", "--table", &table]).ok();
    let swap = |table: &str| {
        daemon.dmctl(["load", "last", "--table", table]).ok();
        daemon.dmctl(["resume", "last"]).ok();
    };
    let all_alive = format!(" 64/64 1 {} 3 disk ", "A".repeat(count));
    let one_dead = format!(" 1 {}D 3 disk ", "A".repeat(count - 1));
    wait_for(&daemon, &all_alive);
    for seed in [1, 100] {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let fio = scope.spawn(|| fio_verify(&daemon, &over, seed));
            swap(&format!("0 {SECTORS} error"));
            wait_for(&daemon, &one_dead);
            over.store(true, Ordering::SeqCst);
            fio.join().unwrap();
        });
        swap(&good);
        // A leg that failed has another chance when the device is resumed.
        daemon.dmctl(["suspend", "foo"]).ok();
        daemon.dmctl(["resume", "foo"]).ok();
        wait_for(&daemon, &all_alive);
        compare(&daemon, legs);
    }
    // Ended properly, nothing is left to copy.
    let (folder, status) = daemon.stop(rustix::process::Signal::TERM);
    assert!(status.success());
    let daemon = Daemon::start(folder, &["serve"]).unwrap_or_else(|said| panic!("{said:?}"));
    daemon.dmctl(["create", "last", "--table", &good]).ok();
    daemon.dmctl(["create", "foo", "--table", &table]).ok();
    daemon.dmctl(["message", "foo", "0", "pause"]).ok();
    wait_for(&daemon, &all_alive);
    compare(&daemon, legs);
}

#[test]
fn two_legs_of_which_one_fails() {
    a_leg_fails(&["a.img", "b.img"]);
}

#[test]
fn three_legs_of_which_one_fails() {
    a_leg_fails(&["a.img", "b.img", "c.img"]);
}

#[test]
fn a_resync_goes_on_while_clients_that_have_written_say_nothing_or_leave() {
    let daemon = Daemon::serve();
    for name in ["a.img", "b.img", "log.img"] {
        daemon.folder.disk(name, SECTORS);
    }
    // Whoever completes a request takes the mirror further, and has its jobs from then on.
    let table = format!(
        "0 {SECTORS} mirror disk 2 direct:log.img 64 2 direct:a.img 0 direct:b.img 0 1 handle_errors"
    );
    daemon.dmctl(["create", "foo", "--table", &table]).ok();
    let socket = daemon.folder.path("run/nbd.sock");
    for round in 0..8 {
        daemon.dmctl(["clear", "foo"]).ok();
        // One that has everything to copy.
        daemon
            .dmctl([
                "load",
                "foo",
                "--table",
                &table.replace(" 64 2 ", " 64 sync 2 ").replace("disk 2 ", "disk 3 "),
            ])
            .ok();
        daemon.dmctl(["resume", "foo"]).ok();
        let mut clients: Vec<_> =
            (0..4).map(|_| NbdClient::connect(&socket, "foo").unwrap()).collect();
        for block in 0..64 {
            let client = &mut clients[block as usize % 4];
            client.write(block * 97 % (SECTORS / 8), &[round; BLOCK]).unwrap();
        }
        // Two leave at once, two stay and are silent.
        clients.truncate(2);
        wait_for(&daemon, " 1024/1024 1 AA 3 disk ");
        for client in &mut clients {
            assert_eq!(client.read(0).unwrap(), [round; BLOCK]);
        }
    }
    daemon.dmctl(["suspend", "foo"]).ok();
    compare(&daemon, &["a.img", "b.img"]);
}
