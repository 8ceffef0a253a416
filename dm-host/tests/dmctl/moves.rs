//! `move`: what it says, what it refuses, and what it leaves behind.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::{Child, Stdio};

use rustix::event::{PollFd, PollFlags, poll};

use crate::files::mount;
use crate::nbd_client::{BLOCK, NbdClient};
use crate::support::{Daemon, Folder, bytes_at, run, sh};

const SECTORS: u64 = 32768;

/// Disks `a.img`, full of bytes of its own, and `b.img`, empty.
fn disks(folder: &Folder) -> (String, String) {
    let (a, b) = (folder.disk("a.img", SECTORS), folder.disk("b.img", SECTORS));
    let bytes: Vec<u8> = (0..SECTORS as u32 * 128)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    std::fs::write(&a, bytes).unwrap();
    (a, b)
}

/// A device `foo` of three lines, of which two lie on `a.img`.
fn daemon() -> (Daemon, String, String) {
    let daemon = Daemon::serve();
    let (a, b) = disks(&daemon.folder);
    let table = format!("0 16384 linear {a} 0\n16384 8 zero\n16392 16376 linear {a} 16384\n");
    daemon.dmctl(["create", "foo", "--table", &table]).ok();
    (daemon, a, b)
}

fn say(daemon: &Daemon, args: &[&str]) -> String {
    daemon.folder.masked(&daemon.dmctl(args).ok())
}

fn refused(daemon: &Daemon, args: &[&str]) -> String {
    daemon.folder.masked(&daemon.dmctl(args).refused())
}

/// Starts a move that takes its time, and waits until it copies.
fn start_slowly(daemon: &Daemon, more: &[&str]) -> Child {
    let mut command = daemon.folder.command();
    command.args(["move", "foo", "--to", "b.img", "--limit", "1"]).args(more);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let began = lines.map_while(Result::ok).find(|line| line.starts_with("line 1: "));
    assert_eq!(
        daemon.folder.masked(&began.unwrap()),
        "line 1: 8 MiB from DIR/a.img 0 to DIR/b.img 0"
    );
    while !say(daemon, &["table", "foo"]).contains(" mirror ") {
        std::thread::yield_now();
    }
    child
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

const MIRRORED: &str = "\
0 16384 mirror core 1 1024 2 DIR/a.img 0 DIR/b.img 0 1 handle_errors
16384 8 zero
16392 16376 linear DIR/a.img 16384
";
const BEFORE: &str =
    "0 16384 linear DIR/a.img 0\n16384 8 zero\n16392 16376 linear DIR/a.img 16384\n";
const AFTER: &str =
    "0 16384 linear DIR/b.img 0\n16384 8 zero\n16392 16376 linear DIR/b.img 16384\n";

#[test]
fn lines_are_moved_and_their_bytes_with_them() {
    let (daemon, a, b) = daemon();
    let said = say(&daemon, &["move", "foo", "--to", "b.img"]);
    let expected = format!(
        "recorded in DIR/run/move-foo.json\n\
         line 1: 8 MiB from DIR/a.img 0 to DIR/b.img 0\nline 1: moved\n\
         line 3: 8 MiB from DIR/a.img 16384 to DIR/b.img 16384\nline 3: moved\n\
         the table from now on:\n{AFTER}"
    );
    // How long it takes is not known.
    let said: Vec<&str> = said.split_inclusive('\n').filter(|line| !line.contains(" % ")).collect();
    assert_eq!(said.concat().replace("7.9 MiB", "8 MiB"), expected);
    assert_eq!(say(&daemon, &["table", "foo"]), AFTER);
    assert!(!daemon.folder.path("run/move-foo.json").exists());
    let moved = 32760 * 512;
    assert!(std::fs::read(&a).unwrap()[..moved] == std::fs::read(&b).unwrap()[..moved]);

    let said = say(&daemon, &["move", "foo", "--lines", "3", "--to", "a.img:16384", "--json"]);
    let events: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["path"], "DIR/run/move-foo.json");
    assert_eq!(events[1]["event"], "moving");
    assert_eq!(events[1]["bytes"], 16376 * 512);
    let expected = AFTER.replace("b.img 16384", "a.img 16384");
    assert_eq!(events.last().unwrap()["table"].as_str(), Some(&*expected));
    assert_eq!(say(&daemon, &["table", "foo"]), expected);
    say(&daemon, &["move", "foo", "--from", "b.img", "--to", "direct:a.img"]);
    let expected = expected.replace("linear DIR/b.img 0", "linear direct:DIR/a.img 0");
    // A file that a table names in two ways has one name there.
    let expected = expected.replace("linear DIR/a.img", "linear direct:DIR/a.img");
    assert_eq!(say(&daemon, &["table", "foo"]), expected);
}

#[test]
fn a_move_that_cannot_be_changes_nothing() {
    let (daemon, a, _) = daemon();
    daemon.folder.disk("small.img", 100);
    daemon.dmctl(["create", "bar", "--table", "0 8 linear b.img 32760"]).ok();
    daemon.dmctl(["create", "ro", "--readonly", "--table", "0 8 linear mem:1M 0"]).ok();
    daemon.dmctl(["create", "empty"]).ok();
    daemon
        .dmctl(["create", "st", "--table", &format!("0 16 striped 2 8 {a} 32000 {a} 32100")])
        .ok();
    for (args, expected) in [
        (
            &["foo", "--to", "none.img"][..],
            "--to: linear: cannot open device `DIR/none.img`: no such device or file",
        ),
        (
            &["foo", "--to", "small.img"],
            "--to: linear: 16384 sectors from sector 0 on do not fit on `DIR/small.img`, which has 100",
        ),
        (
            &["foo", "--to", "b.img:8"],
            "--to: sectors 32760 to 32767 of DIR/b.img are in use already, by line 1 of bar",
        ),
        (
            &["foo", "--to", "a.img"],
            "--to: sectors 0 to 16383 of DIR/a.img are in use already, by line 1 of foo",
        ),
        (
            &["foo", "--to", "a.img:16380", "--lines", "1"],
            "--to: sectors 16380 to 16383 of DIR/a.img are in use already, by line 1 of foo",
        ),
        (&["foo", "--to", "foo"], "--to: a device cannot lie on itself"),
        (
            &["foo", "--to", "b.img", "--lines", "2"],
            "line 2 is zero; only linear lines can be moved",
        ),
        (
            &["foo", "--to", "b.img", "--lines", "4"],
            "--lines: the table has 3 lines, there is no line 4",
        ),
        (
            &["foo", "--to", "b.img", "--from", "small.img"],
            "no line of the table lies on that device",
        ),
        (&["st", "--to", "b.img"], "line 1 is striped; only linear lines can be moved"),
        (&["ro", "--to", "b.img"], "the device is read-only"),
        (&["empty", "--to", "b.img"], "the device has no table"),
        (&["nobody", "--to", "b.img"], "there is no device `nobody`"),
        (
            &["foo", "--resume"],
            "there is no move of foo to go on with or to give up: no DIR/run/move-foo.json",
        ),
        (
            &["foo", "--abort"],
            "there is no move of foo to go on with or to give up: no DIR/run/move-foo.json",
        ),
    ] {
        let said = refused(&daemon, &[&["move"], args].concat());
        assert_eq!(said, format!("dmctl: {expected}\n"), "{args:?}");
    }
    // Another process has it.
    let other = Daemon::serve();
    let b = daemon.folder.path("b.img").display().to_string();
    daemon.dmctl(["remove", "bar"]).ok();
    other.dmctl(["create", "theirs", "--table", &format!("0 8 linear {b} 0")]).ok();
    let said = refused(&daemon, &["move", "foo", "--to", "b.img"]);
    assert_eq!(said, "dmctl: --to: linear: cannot open device `DIR/b.img`: the device is in use\n");
    assert_eq!(say(&daemon, &["table", "foo"]), BEFORE);
    assert!(!daemon.folder.path("run/move-foo.json").exists());
}

#[test]
fn a_client_that_was_killed_leaves_a_mirror_that_another_takes_over() {
    let (daemon, a, b) = daemon();
    let client = start_slowly(&daemon, &[]);
    let said = refused(&daemon, &["move", "foo", "--resume"]);
    assert_eq!(said, "dmctl: another `dmctl move` of foo is at work; end it first\n");
    kill(client);
    assert_eq!(say(&daemon, &["table", "foo"]), MIRRORED);
    let said = refused(&daemon, &["move", "foo", "--to", "b.img"]);
    assert_eq!(
        said,
        "dmctl: a move of foo is not over (DIR/run/move-foo.json): go on with --resume, or give it \
         up with --abort\n"
    );
    say(&daemon, &["move", "foo", "--resume", "--limit", "0"]);
    assert_eq!(say(&daemon, &["table", "foo"]), AFTER);
    assert!(std::fs::read(a).unwrap()[..8 << 20] == std::fs::read(b).unwrap()[..8 << 20]);
}

#[test]
fn giving_up_goes_back_to_the_source() {
    let (daemon, a, _) = daemon();
    let before = std::fs::read(&a).unwrap();
    kill(start_slowly(&daemon, &[]));
    let said = say(&daemon, &["move", "foo", "--abort"]);
    assert_eq!(said, format!("given up; lines moved: 0; the table from now on:\n{BEFORE}"));
    assert_eq!(say(&daemon, &["table", "foo"]), BEFORE);
    assert!(before == std::fs::read(&a).unwrap());
    // It can begin anew.
    say(&daemon, &["move", "foo", "--to", "b.img"]);
}

#[test]
fn a_daemon_that_was_killed_has_the_device_created_again() {
    for step in ["--resume", "--abort"] {
        let (daemon, _, b) = daemon();
        let state = daemon.folder.path("state");
        std::fs::create_dir(&state).unwrap();
        let state = ["--state", "state"];
        let client = start_slowly(&daemon, &state);
        let (folder, _) = daemon.stop(rustix::process::Signal::KILL);
        let said = client.wait_with_output().unwrap();
        assert_eq!(said.status.code(), Some(1));
        let daemon = Daemon::start(folder, &["serve"]).unwrap_or_else(|said| panic!("{said:?}"));
        assert_eq!(say(&daemon, &["ls"]), "No devices found\n");
        let more = if step == "--resume" { &["--limit", "0"][..] } else { &[] };
        say(&daemon, &[&["move", "foo", step], &state[..], more].concat());
        let expected = if step == "--resume" { AFTER } else { BEFORE };
        assert_eq!(say(&daemon, &["table", "foo"]), expected);
        assert!(!std::fs::exists(b + ".json").unwrap());
    }
}

#[test]
fn a_table_that_somebody_changed_is_left_alone() {
    let (daemon, ..) = daemon();
    kill(start_slowly(&daemon, &[]));
    daemon.dmctl(["load", "foo", "--table", "0 8 zero"]).ok();
    daemon.dmctl(["resume", "foo"]).ok();
    for step in ["--resume", "--abort"] {
        let said = daemon.dmctl(["move", "foo", step]);
        let expected = "dmctl: the table of foo is none of those that the move would have left it \
                        with; those are in DIR/run/move-foo.json\n";
        assert_eq!((said.code, &*daemon.folder.masked(&said.err)), (Some(1), expected));
    }
    assert_eq!(say(&daemon, &["table", "foo"]), "0 8 zero\n");
}

/// Has a mapped device fail everything from now on, or nothing any more.
fn set_failing(daemon: &Daemon, name: &str, good: &str, is_failing: bool) {
    let table = if is_failing { "0 32768 error".to_owned() } else { good.to_owned() };
    daemon.dmctl(["load", name, "--table", &table]).ok();
    daemon.dmctl(["resume", name]).ok();
}

#[test]
fn a_destination_that_fails_ends_the_move_on_the_source() {
    let (daemon, ..) = daemon();
    let good = "0 32768 linear b.img 0";
    daemon.dmctl(["create", "dest", "--table", good]).ok();
    let mut command = daemon.folder.command();
    command.args(["move", "foo", "--to", "dest", "--limit", "1"]);
    let client = std::thread::spawn(move || run(&mut command, ""));
    while !say(&daemon, &["table", "foo"]).contains(" mirror ") {
        std::thread::yield_now();
    }
    set_failing(&daemon, "dest", good, true);
    let said = client.join().unwrap();
    assert_eq!(said.code, Some(1));
    let expected = "dmctl: line 1: dest has failed; foo is back on DIR/a.img alone, where nothing is \
                    missing\n";
    assert_eq!(daemon.folder.masked(&said.err), expected);
    assert_eq!(say(&daemon, &["table", "foo"]), BEFORE);
    assert!(!daemon.folder.path("run/move-foo.json").exists());
    set_failing(&daemon, "dest", good, false);
    say(&daemon, &["move", "foo", "--to", "dest"]);
}

#[test]
fn a_source_that_fails_a_write_keeps_the_mirror_until_both_are_whole() {
    for is_killed in [false, true] {
        let daemon = Daemon::serve();
        let (_, b) = disks(&daemon.folder);
        let good = "0 32768 linear a.img 0";
        daemon.dmctl(["create", "src", "--table", good]).ok();
        daemon.dmctl(["create", "foo", "--table", "0 32768 linear src 0"]).ok();
        let mut command = daemon.folder.command();
        command.args(["move", "foo", "--to", "b.img", "--limit", "1"]);
        let client = std::thread::spawn(move || run(&mut command, ""));
        while !say(&daemon, &["table", "foo"]).contains(" mirror ") {
            std::thread::yield_now();
        }
        // Nothing but the write is to meet the failing disk.
        daemon.dmctl(["message", "foo", "0", "pause"]).ok();
        std::thread::sleep(std::time::Duration::from_millis(200));
        set_failing(&daemon, "src", good, true);
        let mut nbd = NbdClient::connect(&daemon.folder.path("run/nbd.sock"), "foo").unwrap();
        nbd.write(4095, &[7; BLOCK]).unwrap_err();
        let said = client.join().unwrap();
        let expected = "dmctl: line 1: a write to src has failed, so that it may miss something that \
                        DIR/b.img has; foo stays on both, and `dmctl move foo --resume` tries again\n";
        assert_eq!((said.code, &*daemon.folder.masked(&said.err)), (Some(1), expected));
        let said = refused(&daemon, &["move", "foo", "--abort"]);
        assert_eq!(said, "dmctl: foo: a leg of the mirror does not hold everything\n");
        set_failing(&daemon, "src", good, false);
        if is_killed {
            drop(nbd);
            let (folder, _) = daemon.stop(rustix::process::Signal::KILL);
            let daemon =
                Daemon::start(folder, &["serve"]).unwrap_or_else(|said| panic!("{said:?}"));
            daemon.dmctl(["create", "src", "--table", good]).ok();
            let said = refused(&daemon, &["move", "foo", "--resume"]);
            let expected = "dmctl: when foo was last in use, a write to src had failed: which of the \
                            tables `before` and `after` in DIR/run/move-foo.json is right for line 1 \
                            is not known\n";
            assert_eq!(said, expected);
            continue;
        }
        daemon.dmctl(["message", "foo", "0", "unpause"]).ok();
        say(&daemon, &["move", "foo", "--resume", "--limit", "0"]);
        assert_eq!(say(&daemon, &["table", "foo"]), "0 32768 linear DIR/b.img 0\n");
        nbd.write(4095, &[9; BLOCK]).unwrap();
        assert_eq!(bytes_at(b, 4095 * BLOCK as u64, BLOCK), [9; BLOCK]);
    }
}

#[test]
fn through_the_control_files_alone() {
    let Some(daemon) = mount() else { return };
    let (a, b) = disks(&daemon.folder);
    let root = daemon.folder.path("").display().to_string();
    // As README has it.
    sh(&format!("cd {root}; mkdir dm/foo; echo '0 32768 linear a.img 0' > dm/foo/table\n{README}"));
    assert_eq!(say(&daemon, &["table", "foo"]), "0 32768 linear DIR/b.img 0\n");
    assert!(std::fs::read(&a).unwrap() == std::fs::read(&b).unwrap());
    let readme = std::fs::read_to_string("../README.md").unwrap();
    assert!(readme.contains(README), "README.md shows something else");

    // And back, woken by events.
    let file = |name: &str| daemon.folder.path("dm/foo").join(name);
    let write = |name: &str, text: &str| std::fs::write(file(name), text).unwrap();
    let table = "0 32768 mirror core 1 1024 2 b.img 0 a.img 0 1 handle_errors\n";
    sh(&format!("tr 'a-z' 'A-Z' < {b} | dd of={b} conv=notrunc status=none"));
    write("table", table);
    write("state", "resume\n");
    let events = std::fs::File::open(file("events")).unwrap();
    loop {
        // Reading it is what poll waits for another number after.
        events.read_at(&mut [0; 32], 0).unwrap();
        if std::fs::read_to_string(file("status")).unwrap().contains(" 32/32 1 AA ") {
            break;
        }
        let mut polled = [PollFd::new(&events, PollFlags::PRI)];
        poll(&mut polled, None).unwrap();
    }
    write("table", "0 32768 linear a.img 0\n");
    write("state", "resume\n");
    assert!(std::fs::read(&a).unwrap() == std::fs::read(&b).unwrap());
}

const README: &str = "\
echo \"0 32768 mirror core 1 1024 2 a.img 0 b.img 0 1 handle_errors\" > dm/foo/table
echo resume > dm/foo/state                        # from now on, writes go to both
until grep -q ' 32/32 1 AA ' dm/foo/status; do    # all regions in sync, both legs alive?
    sleep 1                                       # (programs poll(2) dm/foo/events instead)
done
echo \"0 32768 linear b.img 0\" > dm/foo/table
echo resume > dm/foo/state                        # b.img alone
";

#[test]
fn what_a_dead_client_asked_for_is_not_done_for_it_once_another_has_taken_over() {
    let (daemon, ..) = daemon();
    kill(start_slowly(&daemon, &[]));
    let record = std::fs::read(daemon.folder.path("run/move-foo.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    say(&daemon, &["move", "foo", "--abort"]);
    assert_eq!(say(&daemon, &["table", "foo"]), BEFORE);

    // The dead one had the first turn. What it asked for last comes to the daemon only now.
    let mut client = daemon.client();
    let mut switch = |turn: u64| {
        let (from, to) = (&record["tables"]["before"], &record["tables"]["during"]);
        let wanted = serde_json::json!({
            "turn": turn, "from": from, "to": to, "message": null, "with": null,
        });
        client.ask_with("switch foo", wanted.to_string().as_bytes()).map_err(|why| why.to_string())
    };
    assert_eq!(switch(1).unwrap_err(), "somebody else has taken over");
    assert_eq!(say(&daemon, &["table", "foo"]), BEFORE);
    // Whose turn it is, the last one's, may.
    assert_eq!(switch(2).unwrap(), "");
    assert_eq!(say(&daemon, &["table", "foo"]), MIRRORED);
}
