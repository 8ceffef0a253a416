//! System calls that are interrupted, again and again.

use std::process::Command;

use rustix::process::Signal;

use crate::support::{DMCTL, Daemon, Folder, sh};

/// What the daemon waits in, reads and writes with.
const CALLS: &str = "preadv2,pwritev2,pwrite64,fdatasync,fallocate,recvmsg,sendmsg,recvfrom,sendto,\
    write,accept4,poll,epoll_wait,io_uring_enter,flock";

/// A daemon of which every third of these calls is interrupted before it does anything, and how many
/// that were when it has ended.
fn interrupted(engine: &str) {
    let folder = Folder::new();
    let log = folder.path("strace.log");
    let mut command = Command::new("strace");
    // As a grandchild, so that the daemon is our child.
    command.args(["-D", "-f", "--seccomp-bpf", "-qq", "--signal=none", "-o"]).arg(&log);
    command.args(["-e", &format!("trace=read,{CALLS}"), "-e"]);
    command.arg(format!("inject={CALLS}:error=EINTR:when=2+3"));
    // Past those with which the program itself is loaded.
    command.args(["-e", "inject=read:error=EINTR:when=50+3"]);
    // Who is traced cannot trace its own threads, as a sanitizer does to look for leaks.
    command.env("LSAN_OPTIONS", "detect_leaks=0");
    command.args([DMCTL, "--dir", "run", "serve", "--engine", engine]).current_dir(folder.path(""));
    let daemon = Daemon::spawn(folder, command).unwrap_or_else(|said| panic!("{said:?}"));
    let source = daemon.folder.path("source");
    sh(&format!("head -c 2M /dev/urandom > {}", source.display()));
    let disk = daemon.folder.disk("bar.img", 4096);
    daemon.dmctl(["create", "bar", "--table", &format!("0 4096 linear {disk} 0")]).ok();
    let uri = format!("nbd+unix:///bar?socket={}", daemon.nbd_socket().display());
    sh(&format!("nbdcopy --flush {0} '{uri}'; cmp {0} {disk}", source.display()));
    // What is zero is made so without being written.
    sh(&format!(
        "nbdcopy --destination-is-zero --flush {0} '{uri}'; cmp {0} {disk}",
        source.display()
    ));
    let back = daemon.folder.path("back");
    sh(&format!("nbdcopy '{uri}' {1}; cmp {0} {1}", source.display(), back.display()));
    let (folder, status) = daemon.stop(Signal::TERM);
    assert!(status.success(), "{status}");
    let log = std::fs::read_to_string(folder.path("strace.log")).unwrap();
    let calls = match engine {
        "threads" => &["preadv2(", "pwritev2(", "fdatasync("][..],
        _ => &["io_uring_enter("][..],
    };
    for call in calls {
        let times = log.lines().filter(|line| line.contains(call) && line.contains("(INJECTED)"));
        assert!(times.count() > 0, "{engine}: no {call} was interrupted");
    }
}

#[test]
fn interrupted_system_calls_are_made_again_by_a_ring() {
    interrupted("auto");
}

#[test]
fn interrupted_system_calls_are_made_again_by_threads() {
    interrupted("threads");
}
