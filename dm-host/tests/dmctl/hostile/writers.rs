//! Users of the control filesystem that die with a file open.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::files::mount;
use crate::hostile::Witness;
use crate::support::{Daemon, wait_until};

/// A process that has written `text` to a file of the control filesystem, and has it open.
fn writer(daemon: &Daemon, file: &str, text: &str) -> Child {
    let path = daemon.folder.path("dm").join(file);
    let mut command = Command::new("bash");
    command.args(["-c", &format!("exec cat > {}", path.display())]).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    let place = format!("/proc/{}/fdinfo/1", child.id());
    let written = format!("pos:\t{}\n", text.len());
    wait_until("written text", || std::fs::read_to_string(&place).unwrap().starts_with(&written));
    child
}

#[test]
fn whoever_is_killed_with_half_a_table_written_leaves_none() {
    let Some(daemon) = mount() else { return };
    let witness = Witness::on_a_file(&daemon);
    daemon.dmctl(["create", "bar"]).ok();
    let read = |file: &str| std::fs::read_to_string(daemon.folder.path("dm").join(file)).unwrap();
    for (n, half) in ["0 8 zero\n", "0 8 zero\n8 8 ze", "begin\n0 8 zero\n"].into_iter().enumerate()
    {
        let mut dying = writer(&daemon, "bar/table", half);
        // Another one writes its own meanwhile, and is not mixed up with it.
        if half.starts_with("begin") {
            std::fs::write(daemon.folder.path("dm/bar/table"), "0 16 error\n").unwrap();
        }
        dying.kill().unwrap();
        dying.wait().unwrap();
        // Whoever dies need not wait until the file is closed.
        let dropped = "whoever wrote bar/table died of signal 9: that is dropped";
        wait_until("end of the file", || daemon.log().matches(dropped).count() == n + 1);
        let expected = if half.starts_with("begin") { "0 16 error\n" } else { "" };
        assert_eq!(
            (read("bar/table"), read("bar/inactive")),
            (expected.into(), "".into()),
            "{half}"
        );
    }
    // It does not hold the device either.
    wait_until("removal", || daemon.dmctl(["remove", "bar"]).code == Some(0));
    // A command without its end is none.
    let mut dying = writer(&daemon, "control", "remove foo");
    dying.kill().unwrap();
    dying.wait().unwrap();
    daemon.wait_for_log(&["whoever wrote control died of signal 9: that is dropped"]);
    assert_eq!(daemon.dmctl(["ls"]).ok(), "foo\t(0)\n");
    witness.goes_on();
    witness.verify(&daemon);
}

#[test]
fn whoever_ends_without_closing_has_said_all() {
    let Some(daemon) = mount() else { return };
    daemon.dmctl(["create", "bar"]).ok();
    let mut ending = writer(&daemon, "bar/table", "0 8 zero\n8 8 error\n");
    drop(ending.stdin.take());
    assert!(ending.wait().unwrap().success());
    let expected = "0 8 zero\n8 8 error\n";
    wait_until("table", || daemon.dmctl(["table", "bar"]).ok() == expected);
}

#[test]
fn a_gigabyte_without_a_line_feed_is_refused() {
    let Some(daemon) = mount() else { return };
    let witness = Witness::on_a_file(&daemon);
    let before = daemon.memory();
    let mut control =
        std::fs::OpenOptions::new().write(true).open(daemon.folder.path("dm/control")).unwrap();
    let piece = vec![b'x'; 1 << 20];
    let taken = (0..1024).take_while(|_| control.write_all(&piece).is_ok()).count();
    assert!(taken < 2, "{taken} MiB were taken");
    let after = daemon.memory();
    assert!(after < before + 16 * 1024, "from {before} to {after} KiB");
    drop(control);
    witness.goes_on();
    witness.verify(&daemon);
}

#[test]
fn whoever_dies_in_the_middle_of_reads_and_writes_lets_go_of_the_device() {
    let Some(daemon) = mount() else { return };
    let witness = Witness::on_a_file(&daemon);
    let disk = daemon.folder.disk("bar.img", 65_536);
    daemon.dmctl(["create", "bar", "--table", &format!("0 65536 linear {disk} 0")]).ok();
    let data = daemon.folder.path("dm/bar/data");
    for _ in 0..10 {
        let mut busy = Command::new("dd")
            .args(["if=/dev/zero", "bs=1M", "conv=notrunc", "status=none"])
            .arg(format!("of={}", data.display()))
            .spawn()
            .unwrap();
        witness.goes_on();
        busy.kill().unwrap();
        busy.wait().unwrap();
    }
    wait_until("removal", || daemon.dmctl(["remove", "bar"]).code == Some(0));
    witness.verify(&daemon);
}

#[test]
fn a_child_that_is_started_meanwhile_closes_nothing_of_its_parents() {
    let Some(daemon) = mount() else { return };
    daemon.dmctl(["create", "bar"]).ok();
    let path = daemon.folder.path("dm/bar/table");
    let mut table = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    table.write_all(b"0 8 zero\n").unwrap();
    // Between fork and exec it has the file open too.
    for _ in 0..20 {
        assert!(Command::new("true").status().unwrap().success());
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    table.write_all(b"8 8 error\n").unwrap();
    drop(table);
    let expected = "0 8 zero\n8 8 error\n";
    wait_until("table", || daemon.dmctl(["table", "bar"]).ok() == expected);
}
