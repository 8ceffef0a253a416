//! The daemon itself: its directory, its sockets, how it starts and ends.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::process::Signal;

use crate::support::{Daemon, Folder, run};

fn start(folder: Folder, args: &[&str]) -> Daemon {
    Daemon::start(folder, args).unwrap_or_else(|said| panic!("{said:?}"))
}

/// What a daemon complains of that does not start.
fn refusal(folder: Folder, args: &[&str]) -> String {
    match Daemon::start(folder, args) {
        Ok(_) => panic!("{args:?}: it started"),
        Err(said) => {
            assert_eq!(said.code, Some(1));
            said.err
        }
    }
}

#[test]
fn everything_is_closed_to_others() {
    let daemon = Daemon::serve();
    let mode = |name: &str| {
        let found = std::fs::metadata(daemon.folder.path(name)).unwrap();
        found.permissions().mode() & 0o777
    };
    assert_eq!(mode("run"), 0o700);
    assert_eq!(mode("run/control.sock"), 0o600);
    assert_eq!(mode("run/nbd.sock"), 0o600);
}

#[test]
fn a_second_daemon_is_refused_and_a_dead_one_replaced() {
    let daemon = Daemon::serve();
    let second = daemon.dmctl(["serve"]).refused();
    let second = daemon.folder.masked(&second);
    assert_eq!(second, "dmctl: a daemon runs in DIR/run already\n");
    daemon.dmctl(["create", "foo"]).ok();
    let (folder, _) = daemon.stop(Signal::KILL);
    assert!(folder.path("run/control.sock").exists());
    let said = folder.dmctl(["ls"]).refused();
    assert!(said.starts_with("dmctl: no daemon runs in "), "{said}");
    let daemon = start(folder, &["serve"]);
    assert_eq!(daemon.dmctl(["ls"]).ok(), "No devices found\n");
}

#[test]
fn signals_end_it_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let daemon = Daemon::serve();
        let a = daemon.folder.disk("a.img", 64);
        daemon.dmctl(["create", "foo", "--table", &format!("0 64 linear {a} 0")]).ok();
        daemon.dmctl(["suspend", "foo"]).ok();
        let (folder, status) = daemon.stop(signal);
        assert!(status.success(), "{status}");
        assert!(!folder.path("run/control.sock").exists());
    }
}

#[test]
fn a_directory_that_others_may_enter_is_refused() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("run")).unwrap();
    std::fs::set_permissions(folder.path("run"), PermissionsExt::from_mode(0o755)).unwrap();
    let expected = "dmctl: DIR/run is open to others; close it with chmod 700\n";
    assert_eq!(folder.masked(&folder.dmctl(["ls"]).refused()), expected);
    assert_eq!(refusal(folder, &["serve"]), expected);
    let folder = Folder::new();
    folder.file("run", "");
    assert_eq!(refusal(folder, &["serve"]), "dmctl: DIR/run is not a directory\n");
}

#[test]
fn devices_are_there_from_the_start() {
    let folder = Folder::new();
    let a = folder.disk("a.img", 64);
    folder.file("one.table", &format!("0 32 linear {a} 0\n"));
    let concise = format!("two,u-2,9,ro,0 8 zero,8 8 linear {a} 32;three,,,rw,0 8 error");
    let args = ["serve", "--table", "one=one.table", "--concise", &concise];
    // A disk that is written is one table's alone, unless it is the same open disk.
    let daemon = start(folder, &args);
    assert_eq!(daemon.dmctl(["ls"]).ok(), "one\t(0)\nthree\t(1)\ntwo\t(9)\n");
    let tables = daemon.folder.masked(&daemon.dmctl(["table"]).ok());
    assert_eq!(
        tables,
        "one: 0 32 linear DIR/a.img 0\n\
         three: 0 8 error\n\
         two: 0 8 zero\ntwo: 8 8 linear DIR/a.img 32\n"
    );
    let info = daemon.dmctl(["info", "two"]).ok();
    assert!(info.contains("(READ-ONLY)") && info.ends_with("UUID:              u-2\n"), "{info}");
}

#[test]
fn what_cannot_be_created_keeps_it_from_starting() {
    let said = refusal(Folder::new(), &["serve", "--concise", "a,,x,rw,0 8 zero"]);
    let expected = "\
error: expected the minor number, found `x`: not a decimal number
 --> --concise:1:4
  |
1 | a,,x,rw,0 8 zero
  |    ^

dmctl: --concise: the table has 1 error
";
    assert_eq!(said, expected);
    let said = refusal(Folder::new(), &["serve", "--concise", "a,,,rw,0 8 zoro"]);
    assert!(said.starts_with("error: unknown target type `zoro`"), "{said}");
    let said = refusal(Folder::new(), &["serve", "--table", "a"]);
    assert_eq!(said, "dmctl: --table: expected NAME=FILE, found `a`\n");
}

#[test]
fn the_engine_is_a_choice() {
    let daemon = start(Folder::new(), &["serve", "--engine", "threads"]);
    let a = daemon.folder.disk("a.img", 64);
    daemon.dmctl(["create", "foo", "--table", &format!("0 64 linear {a} 0")]).ok();
    let said = daemon.dmctl(["serve", "--engine", "warp"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("expected auto, io_uring or threads"), "{}", said.err);
}

#[test]
fn tcp_is_for_this_machine_alone() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:10809"] {
        let said = refusal(Folder::new(), &["serve", "--tcp", address]);
        let expected = format!("dmctl: cannot serve NBD on {address}: {address} can be reached ");
        assert!(said.starts_with(&expected), "{said}");
        assert!(said.ends_with(", or all the same with --insecure-tcp\n"), "{said}");
    }
    start(Folder::new(), &["serve", "--tcp", "127.0.0.1:0"]);
}

#[test]
fn tcp_is_for_other_machines_if_somebody_says_so() {
    start(Folder::new(), &["serve", "--tcp", "0.0.0.0:0", "--insecure-tcp"]);
    let said = Folder::new().dmctl(["serve", "--insecure-tcp"]);
    assert_eq!(said.code, Some(2), "{said:?}");
}

#[test]
fn a_device_is_exported_to_virtual_machines_until_told_otherwise() {
    let daemon = Daemon::serve();
    daemon.dmctl(["create", "foo", "--table", "0 2048 linear mem:1M 0"]).ok();
    let [socket, export] = ["vm.sock", "export"];
    let refused = daemon.dmctl([export, "bar", "--vhost-user", socket]).refused();
    assert!(refused.contains("there is no device `bar`"), "{refused}");
    daemon.dmctl([export, "foo", "--vhost-user", socket, "--queues", "2"]).ok();
    let in_use = daemon.dmctl([export, "foo", "--vhost-user", socket]).refused();
    assert!(in_use.contains("another server listens"), "{in_use}");
    let refused = daemon.dmctl(["remove", "foo"]).refused();
    assert!(refused.contains("foo"), "{refused}");
    daemon.dmctl(["unexport", socket]).ok();
    assert!(!daemon.folder.path(socket).exists());
    let refused = daemon.dmctl(["unexport", socket]).refused();
    assert!(refused.contains("nothing is exported"), "{refused}");
    daemon.dmctl(["remove", "foo"]).ok();
}

#[test]
fn monitors_that_come_and_go_leave_no_descriptor_behind() {
    let daemon = Daemon::serve();
    daemon.dmctl(["create", "foo", "--table", "0 2048 linear mem:1M 0"]).ok();
    let mut held = Vec::new();
    for _ in 0..8 {
        daemon.dmctl(["export", "foo", "--vhost-user", "vm.sock", "--queues", "3"]).ok();
        let monitor = UnixStream::connect(daemon.folder.path("vm.sock")).unwrap();
        daemon.dmctl(["unexport", "vm.sock"]).ok();
        drop(monitor);
        held.push(daemon.descriptors());
    }
    // The connections of the last commands may be open still.
    assert!(held[7] < held[0] + 8, "{held:?}");
}

#[test]
fn what_is_asked_of_a_device_and_its_lines_is_counted() {
    let daemon = Daemon::serve();
    let table = "0 8 linear mem:8K 0\n8 8 zero\n16 8 error";
    daemon.dmctl(["create", "foo", "--table", table]).ok();
    let uri = format!("nbd+unix:///foo?socket={}", daemon.folder.path("run/nbd.sock").display());
    let commands = ["write 0 1k", "read 0 4k", "read 1k 512", "read 4k 4k", "flush", "read 8k 512"];
    let args = commands.iter().flat_map(|command| ["-c", command]);
    let io = run(Command::new("qemu-io").args(["-f", "raw", &uri]).args(args), "");
    assert!(io.out.contains("wrote 1024/1024"), "{io:?}");
    let status = daemon.dmctl(["status", "--json"]).ok();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let device = &status[0]["figures"];
    for (key, least) in [("reads", 4), ("writes", 1), ("others", 1), ("sectors_written", 2)] {
        assert!(device[key].as_u64() >= Some(least), "{key}: {status:#}");
    }
    assert_eq!((&device["errors"], &device["in_flight"]), (&1.into(), &0.into()), "{status:#}");
    let lines = status[0]["lines"].as_array().unwrap();
    let reads = |line: usize| lines[line]["figures"]["reads"].as_u64().unwrap();
    assert_eq!(reads(0) + reads(1) + reads(2), device["reads"].as_u64().unwrap());
    assert_eq!((reads(0), reads(1), reads(2)), (2, 1, 1), "{status:#}");
    assert_eq!(lines[2]["figures"]["errors"], 1);
    let sum = |figures: &serde_json::Value| {
        let latency = figures["latency"].as_array().unwrap();
        latency.iter().map(|count| count.as_u64().unwrap()).sum::<u64>()
    };
    let requests = ["reads", "writes", "others"].map(|key| device[key].as_u64().unwrap());
    assert_eq!(sum(device), requests.iter().sum::<u64>());
    let page = daemon.dmctl(["metrics"]).ok();
    assert!(page.contains("dm_line_errors_total{device=\"foo\",line=\"2\"} 1\n"), "{page}");
    let top = daemon.dmctl(["top", "--interval", "0.01", "--count", "1"]).ok();
    assert!(top.lines().nth(1).is_some_and(|line| line.starts_with("foo ")), "{top}");
    // Another table has lines of its own, and the device's figures go on.
    daemon.dmctl(["load", "foo", "--table", "0 24 zero"]).ok();
    daemon.dmctl(["resume", "foo"]).ok();
    let status = daemon.dmctl(["status", "--json", "foo"]).ok();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status[0]["lines"][0]["figures"]["reads"], 0, "{status:#}");
    assert_eq!(status[0]["figures"]["errors"], 1, "{status:#}");
    // A device of the same number has nothing of what is gone.
    daemon.dmctl(["remove", "foo"]).ok();
    daemon.dmctl(["create", "bar", "--table", "0 24 zero"]).ok();
    let status = daemon.dmctl(["status", "--json", "bar"]).ok();
    assert!(status.contains("\"errors\":0") || status.contains("\"errors\": 0"), "{status}");
}
