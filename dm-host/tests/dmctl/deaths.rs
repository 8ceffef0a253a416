//! `kill -9` of the daemon and of the client, at any moment of a move or of a resync.
//!
//! A few rounds run with all the other tests; `cargo xtask soak --deaths` runs the many.

use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::nbd_client::NbdClient;
use crate::support::{Daemon, Folder, bytes_at, sh};
use crate::workload::{Blocks, Random, SECTORS, Writer, check_file_system, image};

const LINES: u64 = 4;
const LINE: u64 = SECTORS / LINES;

/// The table of which the first `moved` lines lie on `to`, and the others on `from`.
fn table(folder: &Folder, from: &str, to: &str, moved: u64) -> String {
    let path = |name: &str| folder.path(name).display().to_string();
    let line = |n: u64| {
        let device = if n < moved { path(to) } else { path(from) };
        format!("{} {LINE} linear {device} {}\n", n * LINE, n * LINE)
    };
    (0..LINES).map(line).collect()
}

fn start(folder: Folder) -> Daemon {
    Daemon::start(folder, &["serve"]).unwrap_or_else(|said| panic!("{said:?}"))
}

fn socket(daemon: &Daemon) -> std::path::PathBuf {
    daemon.folder.path("run/nbd.sock")
}

fn connect(daemon: &Daemon) -> NbdClient {
    NbdClient::connect(&socket(daemon), "foo").unwrap()
}

fn write(daemon: &Daemon, blocks: Vec<Blocks>, random: &mut Random) -> Vec<Writer> {
    let start = |blocks| Writer::start(socket(daemon), blocks, random.below(u64::MAX));
    blocks.into_iter().map(start).collect()
}

fn move_lines(daemon: &Daemon, args: &[&str]) -> Child {
    let mut command = daemon.folder.command();
    command.args(["move", "foo"]).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Copies the device, and checks the file system on it.
fn check(daemon: &Daemon) {
    let (copy, socket) = (daemon.folder.path("copy.img"), socket(daemon));
    sh(&format!("nbdcopy 'nbd+unix:///foo?socket={}' {}", socket.display(), copy.display()));
    check_file_system(&copy);
}

/// Compares the lines from `first` on, which nobody has written to since they were copied.
fn compare(folder: &Folder, first: u64) {
    let (at, length) = (first * LINE * 512, ((LINES - first) * LINE * 512) as usize);
    let [a, b] = ["a.img", "b.img"].map(|name| bytes_at(folder.path(name), at, length));
    assert!(a == b, "legs differ");
}

/// How many lines a record says are moved.
fn recorded(folder: &Folder) -> Option<u64> {
    let text = std::fs::read(folder.path("run/move-foo.json")).ok()?;
    let record: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let more = u64::from(record["step"] == "moved");
    Some(record["done"].as_u64().unwrap() + more)
}

/// Kills the daemon in the middle of so many moves; returns how many were cut off with so many lines
/// moved, and how many had not begun or were over.
fn the_daemon_dies(rounds: u64) -> ([u64; LINES as usize + 1], u64) {
    let folder = Folder::new();
    let blocks = image(&folder, "a.img");
    folder.disk("b.img", SECTORS);
    let (mut from, mut to) = ("a.img", "b.img");
    let mut daemon = start(folder);
    let first = table(&daemon.folder, from, to, 0);
    daemon.dmctl(["create", "foo", "--table", &first]).ok();
    let mut blocks = Blocks::deal(&blocks, 2, &mut connect(&daemon));
    let (mut cut, mut uncut) = ([0; LINES as usize + 1], 0);
    for round in 0..rounds {
        let mut random = Random::new(round);
        let writers = write(&daemon, blocks, &mut random);
        let client = move_lines(&daemon, &["--to", to, "--limit", "80"]);
        random.sleep(Duration::from_millis(900));
        let (folder, _) = daemon.stop(Signal::KILL);
        let said = client.wait_with_output().unwrap();
        blocks = writers.into_iter().map(Writer::join).collect();

        daemon = start(folder);
        let moved = recorded(&daemon.folder);
        *moved.map_or(&mut uncut, |moved| &mut cut[moved as usize]) += 1;
        let moved = match moved {
            Some(moved) if random.below(4) == 0 => {
                daemon.dmctl(["move", "foo", "--abort"]).ok();
                moved
            }
            Some(moved) => {
                daemon.dmctl(["move", "foo", "--resume", "--limit", "0"]).ok();
                compare(&daemon.folder, moved);
                LINES
            }
            None => {
                // Dead before the record was there, or after it was gone.
                let began = String::from_utf8(said.stdout).unwrap().contains("recorded in ");
                let moved = if began { LINES } else { 0 };
                let table = table(&daemon.folder, from, to, moved);
                daemon.dmctl(["create", "foo", "--table", &table]).ok();
                moved
            }
        };
        let expected = table(&daemon.folder, from, to, moved);
        assert_eq!(daemon.dmctl(["table", "foo"]).ok(), expected, "round {round}");
        blocks.iter_mut().for_each(|blocks| blocks.verify(&mut connect(&daemon)));
        check(&daemon);
        if moved < LINES {
            let (lines, at) = (format!("{}-{LINES}", moved + 1), format!("{to}:{}", moved * LINE));
            daemon.dmctl(["move", "foo", "--lines", &lines, "--to", &at]).ok();
            compare(&daemon.folder, moved);
        }
        (from, to) = (to, from);
    }
    (cut, uncut)
}

/// Kills so many clients in the middle of moves, while the daemon lives.
fn the_client_dies(rounds: u64) {
    let folder = Folder::new();
    let blocks = image(&folder, "a.img");
    folder.disk("b.img", SECTORS);
    let (mut from, mut to) = ("a.img", "b.img");
    let daemon = start(folder);
    let first = table(&daemon.folder, from, to, 0);
    daemon.dmctl(["create", "foo", "--table", &first]).ok();
    let mut blocks = Blocks::deal(&blocks, 2, &mut connect(&daemon));
    let mut random = Random::new(rounds);
    let mut left = rounds;
    while left > 0 {
        let writers = write(&daemon, blocks, &mut random);
        let mut moved = LINES;
        loop {
            let mut args = match recorded(&daemon.folder) {
                Some(_) => vec!["--resume"],
                None => vec!["--to", to],
            };
            args.extend(["--limit", if left > 0 { "80" } else { "0" }]);
            let mut client = move_lines(&daemon, &args);
            let is_killed = left > 0;
            if is_killed {
                random.sleep(Duration::from_millis(500));
                client.kill().unwrap();
                left -= 1;
            }
            let said = client.wait_with_output().unwrap();
            assert!(is_killed || said.status.success(), "{said:?}");
            writers.iter().for_each(Writer::wait_for_progress);
            let Some(done) = recorded(&daemon.folder) else {
                let began = String::from_utf8(said.stdout).unwrap().contains("recorded in ");
                if began || args[0] == "--resume" {
                    break;
                }
                continue;
            };
            if random.below(8) == 0 {
                daemon.dmctl(["move", "foo", "--abort"]).ok();
                moved = done;
                break;
            }
        }
        blocks = writers.into_iter().map(Writer::stop).collect();
        let live = daemon.dmctl(["table", "foo"]).ok();
        // Between the look at the record and the end of the client's last request.
        let is_one_more = moved < LINES && live == table(&daemon.folder, from, to, moved + 1);
        moved += u64::from(is_one_more);
        assert_eq!(live, table(&daemon.folder, from, to, moved));
        blocks.iter_mut().for_each(|blocks| blocks.verify(&mut connect(&daemon)));
        check(&daemon);
        if moved < LINES {
            let (lines, at) = (format!("{}-{LINES}", moved + 1), format!("{to}:{}", moved * LINE));
            daemon.dmctl(["move", "foo", "--lines", &lines, "--to", &at]).ok();
            compare(&daemon.folder, moved);
        }
        (from, to) = (to, from);
    }
}

/// Kills the daemon so many times while a mirror with a log on disk is made equal and written.
fn a_resync_dies(rounds: u64) {
    let folder = Folder::new();
    let blocks = image(&folder, "a.img");
    for name in ["b.img", "c.img", "log.img"] {
        folder.disk(name, SECTORS);
    }
    let line = |sync: &str| {
        let legs = "3 a.img 0 b.img 0 c.img 0 1 handle_errors";
        match sync {
            "" => format!("0 {SECTORS} mirror disk 2 log.img 1024 {legs}"),
            sync => format!("0 {SECTORS} mirror disk 3 log.img 1024 {sync} {legs}"),
        }
    };
    let in_sync = |daemon: &Daemon| {
        while !daemon.dmctl(["status", "foo"]).ok().contains(" 64/64 1 AAA ") {
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let mut daemon = start(folder);
    daemon.dmctl(["create", "foo", "--table", &line("")]).ok();
    let mut blocks = Blocks::deal(&blocks, 2, &mut connect(&daemon));
    for round in 0..rounds {
        let mut random = Random::new(round);
        let writers = write(&daemon, blocks, &mut random);
        random.sleep(Duration::from_millis(600));
        let (folder, _) = daemon.stop(Signal::KILL);
        blocks = writers.into_iter().map(Writer::join).collect();
        daemon = start(folder);
        // Now and then all over again, so that the next one dies in the midst of it.
        let all = random.below(2) == 0;
        daemon.dmctl(["create", "foo", "--table", &line(if all { "sync" } else { "" })]).ok();
        if all {
            daemon.dmctl(["message", "foo", "0", "limit", "60"]).ok();
        }
        blocks.iter_mut().for_each(|blocks| blocks.verify(&mut connect(&daemon)));
        if random.below(2) == 0 {
            daemon.dmctl(["message", "foo", "0", "limit", "0"]).ok();
            in_sync(&daemon);
            check(&daemon);
            sh(&format!(
                "cd {}; cmp a.img b.img; cmp a.img c.img",
                daemon.folder.path("").display()
            ));
        }
    }
    daemon.dmctl(["message", "foo", "0", "limit", "0"]).ok();
    in_sync(&daemon);
    sh(&format!("cd {}; cmp a.img b.img; cmp a.img c.img", daemon.folder.path("").display()));
    check(&daemon);
}

#[test]
fn a_daemon_that_dies_in_a_move_loses_nothing() {
    the_daemon_dies(4);
}

#[test]
fn a_client_that_dies_in_a_move_harms_nobody() {
    the_client_dies(6);
}

#[test]
fn a_daemon_that_dies_in_a_resync_leaves_legs_that_become_equal() {
    a_resync_dies(4);
}

#[test]
#[ignore = "takes minutes; run by `cargo xtask soak --deaths`"]
fn soak_daemons_die_in_moves() {
    let (cut, uncut) = the_daemon_dies(200);
    eprintln!("cut off with 0 to {LINES} lines moved: {cut:?}; not begun, or over: {uncut}");
    assert!(uncut < 100 && cut[..4].iter().all(|&times| times > 0), "killed at the wrong moments");
}

#[test]
#[ignore = "takes minutes; run by `cargo xtask soak --deaths`"]
fn soak_clients_die_in_moves() {
    the_client_dies(200);
}

#[test]
#[ignore = "takes minutes; run by `cargo xtask soak --deaths`"]
fn soak_daemons_die_in_resyncs() {
    a_resync_dies(200);
}
