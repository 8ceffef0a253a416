//! Each verb: what it prints, and how it ends.

use std::process::Command;

use crate::support::{DMCTL, Daemon, Folder, run};

#[test]
fn a_device_from_create_to_remove() {
    let daemon = Daemon::serve();
    let (a, b) = (daemon.folder.disk("a.img", 4096), daemon.folder.disk("b.img", 4096));
    let say = |args: &[&str]| daemon.folder.masked(&daemon.dmctl(args).ok());

    assert_eq!(say(&["ls"]), "No devices found\n");
    assert_eq!(say(&["info"]), "No devices found\n");
    let table = format!("0 1024 linear {a} 8\n1024 2048 striped 2 64 {a} 2048 {b} 0\n");
    assert_eq!(say(&["create", "foo", "--table", &table, "--uuid", "u-1", "--minor", "7"]), "");
    assert_eq!(say(&["ls"]), "foo\t(7)\n");
    let info = "\
Name:              foo
State:             ACTIVE
Tables present:    LIVE
Open count:        0
Event number:      1
Minor:             7
Size:              3072 sectors, 1.5 MiB
Number of targets: 2
Index:             ";
    let said = say(&["info", "foo"]);
    let (shown, rest) = said.split_at(info.len());
    assert_eq!(shown, info);
    assert!(rest.ends_with("\nUUID:              u-1\n"), "{said}");
    assert_eq!(
        say(&["table", "foo"]),
        "0 1024 linear DIR/a.img 8\n1024 2048 striped 2 64 DIR/a.img 2048 DIR/b.img 0\n"
    );
    assert_eq!(
        say(&["table"]),
        "foo: 0 1024 linear DIR/a.img 8\n\
         foo: 1024 2048 striped 2 64 DIR/a.img 2048 DIR/b.img 0\n"
    );
    assert_eq!(
        say(&["status", "foo"]),
        "0 1024 linear\n1024 2048 striped 2 DIR/a.img DIR/b.img 1 AA\n"
    );
    assert_eq!(say(&["deps", "foo"]), "2 dependencies\t: (DIR/a.img) (DIR/b.img)\n");
    assert_eq!(say(&["deps"]), "foo: 2 dependencies\t: (DIR/a.img) (DIR/b.img)\n");

    assert_eq!(say(&["load", "foo", "--table", &format!("0 8 linear {b} 0")]), "");
    assert_eq!(say(&["table", "--inactive", "foo"]), "0 8 linear DIR/b.img 0\n");
    assert!(say(&["info", "foo"]).contains("Tables present:    LIVE & INACTIVE\n"));
    assert_eq!(say(&["clear", "foo"]), "");
    assert_eq!(say(&["table", "--inactive", "foo"]), "");
    assert_eq!(say(&["load", "foo", "--table", &format!("0 8 linear {b} 0"), "--readonly"]), "");
    assert_eq!(say(&["suspend", "foo"]), "");
    assert!(say(&["info", "foo"]).contains("State:             SUSPENDED\n"));
    assert_eq!(say(&["resume", "foo"]), "");
    assert!(say(&["info", "foo"]).contains("State:             ACTIVE (READ-ONLY)\n"));
    assert_eq!(say(&["table", "foo"]), "0 8 linear DIR/b.img 0\n");
    assert_eq!(say(&["rename", "foo", "bar"]), "");
    assert_eq!(say(&["create", "top", "--table", "0 8 linear bar 0", "--readonly"]), "");
    assert_eq!(say(&["ls", "--tree"]), "top (0)\n └─bar (7)\n    └─(DIR/b.img)\n");
    assert_eq!(
        daemon.dmctl(["remove", "bar"]).refused(),
        "dmctl: bar: the device is in use: it is open 1 time\n"
    );
    assert_eq!(say(&["remove", "top", "bar"]), "");
    assert_eq!(say(&["ls"]), "No devices found\n");
}

#[test]
fn all_that_reports_speaks_json() {
    let daemon = Daemon::serve();
    let a = daemon.folder.disk("a.img", 4096);
    let table = format!("0 16 linear {a} 8\n16 8 zero\n");
    daemon.dmctl(["create", "foo", "--table", &table]).ok();
    let json = |args: &[&str]| {
        let said = daemon.folder.masked(&daemon.dmctl(args).ok());
        serde_json::from_str::<serde_json::Value>(&said).unwrap_or_else(|_| panic!("{said}"))
    };
    let index = json(&["info", "--json"])[0]["table"]["index"].clone();
    let info = serde_json::json!([{
        "name": "foo", "minor": 0, "uuid": null, "state": "active", "events": 1, "open_count": 0,
        "table": {
            "lines": 2, "sectors": 24, "readonly": false, "index": index,
            "devices": ["DIR/a.img"], "mapped": [],
        },
        "inactive": null,
    }]);
    assert_eq!(json(&["info", "--json", "foo"]), info);
    assert_eq!(json(&["ls", "--json"]), info);
    assert_eq!(
        json(&["table", "--json"]),
        serde_json::json!([{ "name": "foo", "lines": [
            { "start": 0, "length": 16, "target": "linear", "text": "DIR/a.img 8" },
            { "start": 16, "length": 8, "target": "zero", "text": "" },
        ]}])
    );
    assert_eq!(json(&["status", "--json", "foo"])[0]["lines"][1]["target"], "zero");
    assert_eq!(
        json(&["deps", "--json"]),
        serde_json::json!([{ "name": "foo", "devices": ["DIR/a.img"] }])
    );
    assert_eq!(
        json(&["ls", "--tree", "--json"]),
        serde_json::json!([{ "name": "foo", "minor": 0, "devices": [
            { "name": "DIR/a.img", "minor": null, "devices": [] },
        ]}])
    );
    let names: Vec<_> = json(&["targets", "--json"])
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&"linear".to_owned()) && names.contains(&"striped".to_owned()));
    assert_eq!(
        json(&["wait", "foo", "0", "--json"]),
        serde_json::json!({ "name": "foo", "event": 1 })
    );
}

#[test]
fn a_device_whose_table_is_refused_is_not_created() {
    let daemon = Daemon::serve();
    let a = daemon.folder.disk("a.img", 64);
    let file = daemon.folder.file("bad.table", &format!("0 64 linear {a} 8\n64 8 lineer x 0\n"));
    let said = daemon.dmctl(["create", "foo", "--table-file", &file]).refused();
    let expected = "\
error: linear: 64 sectors from sector 8 on do not fit on `DIR/a.img`, which has 64
 --> DIR/bad.table:1:";
    let said = daemon.folder.masked(&said);
    assert!(said.starts_with(expected), "{said}");
    assert!(said.contains("\n2 | 64 8 lineer x 0\n  |      ^^^^^^\n"), "{said}");
    assert!(said.ends_with("\ndmctl: DIR/bad.table: the table has 2 errors\n"), "{said}");
    assert_eq!(daemon.dmctl(["ls"]).ok(), "No devices found\n");

    daemon.dmctl(["create", "foo", "--table", &format!("0 8 linear {a} 0")]).ok();
    daemon.dmctl(["load", "foo", "--table-file", &file]).refused();
    let table = daemon.folder.masked(&daemon.dmctl(["table", "foo"]).ok());
    assert_eq!(table, "0 8 linear DIR/a.img 0\n");
    assert_eq!(daemon.dmctl(["table", "--inactive", "foo"]).ok(), "");
}

#[test]
fn a_table_comes_from_the_standard_input_too() {
    let daemon = Daemon::serve();
    daemon.dmctl(["create", "foo"]).ok();
    run(daemon.folder.command().args(["load", "foo"]), "0 8 zero\n").ok();
    daemon.dmctl(["resume", "foo"]).ok();
    let mut create = daemon.folder.command();
    run(create.args(["create", "bar", "--table-file", "-"]), "begin\n0 8 error\nend\n").ok();
    assert_eq!(daemon.dmctl(["table"]).ok(), "foo: 0 8 zero\nbar: 0 8 error\n");
}

#[test]
fn refusals() {
    let daemon = Daemon::serve();
    daemon.dmctl(["create", "foo", "--table", "0 8 zero"]).ok();
    for (args, expected) in [
        (&["create", "foo"][..], "foo: a device of that name exists already"),
        (&["create", "a b"], "`a b`: the name has ' ' in it"),
        (&["create", "control"], "`control`: `control` is a reserved name"),
        (&["create", "bar", "--minor", "0"], "bar: minor 0 is taken"),
        (
            &["create", "bar", "--minor", "1048576"],
            "bar: minor 1048576 is past 1048575, the highest",
        ),
        (&["create", "bar", "--table", ""], "--table: the table has no lines"),
        (
            &["create", "bar", "--readonly"],
            "only a table can be read-only: give one, or use `load --readonly` later",
        ),
        (
            &["create", "bar", "--uuid", "a b"],
            "`a b`: a uuid is 1 to 128 bytes of printable ASCII without blanks",
        ),
        (
            &["create", "bar", "--table-file", "none"],
            "cannot read none: No such file or directory (os error 2)",
        ),
        (&["suspend", "bar"], "there is no device `bar`"),
        (&["remove", "bar"], "there is no device `bar`"),
        (&["table", "bar"], "there is no device `bar`"),
        (&["info", "bar"], "there is no device `bar`"),
        (&["wait", "bar"], "there is no device `bar`"),
        (&["load", "bar", "--table", "0 8 zero"], "there is no device `bar`"),
        (
            &["rename", "foo", "foo/x"],
            "foo: expected the new name, found `foo/x`: the name has '/' in it",
        ),
        (&["message", "foo", "0", "hello"], "foo: the target does not understand this message"),
        (
            &["message", "foo", "8", "hello"],
            "foo: sector 8 is past the end of the table, 8 sectors",
        ),
        (&["wait", "foo", "--timeout", "0.05"], "foo: timed out"),
        (&["draw", "bar"], "there is neither a file nor a device `bar`"),
    ] {
        let said = daemon.dmctl(args).refused();
        assert_eq!(said, format!("dmctl: {expected}\n"), "{args:?}");
    }
    assert_eq!(daemon.dmctl(["ls"]).ok(), "foo\t(0)\n");
}

#[test]
fn one_bad_name_does_not_keep_it_from_the_others() {
    let daemon = Daemon::serve();
    for name in ["a", "b", "c"] {
        daemon.dmctl(["create", name]).ok();
    }
    assert_eq!(
        daemon.dmctl(["remove", "a", "x", "b", "y"]).refused(),
        "dmctl: there is no device `x`\ndmctl: there is no device `y`\n"
    );
    assert_eq!(daemon.dmctl(["ls"]).ok(), "c\t(2)\n");
}

#[test]
fn wait_wakes_at_the_next_event() {
    let daemon = Daemon::serve();
    daemon.dmctl(["create", "foo", "--table", "0 8 zero"]).ok();
    assert_eq!(daemon.dmctl(["wait", "foo", "0"]).ok(), "1\n");
    let mut waiting = daemon.folder.command();
    let waiting = std::thread::spawn(move || run(waiting.args(["wait", "foo", "1"]), ""));
    daemon.dmctl(["suspend", "foo"]).ok();
    assert_eq!(waiting.join().unwrap().ok(), "2\n");

    let mut waiting = daemon.folder.command();
    let waiting = std::thread::spawn(move || run(waiting.args(["wait", "foo", "2"]), ""));
    daemon.dmctl(["remove", "foo"]).ok();
    let said = waiting.join().unwrap().refused();
    // As it was removed before or after the wait had begun.
    let expected = ["dmctl: foo: the device was removed\n", "dmctl: there is no device `foo`\n"];
    assert!(expected.contains(&said.as_str()), "{said}");
}

#[test]
fn without_a_daemon_it_says_how_to_start_one() {
    let folder = Folder::new();
    let said = folder.masked(&folder.dmctl(["ls"]).refused());
    assert_eq!(
        said,
        "dmctl: no daemon runs in DIR/run\n\
         Start one with `dmctl serve`, or with `dmctl mount DIR` to have its control filesystem \
         too. If it runs elsewhere, say where with --dir or $DMCTL_DIR.\n"
    );
    let targets = folder.dmctl(["targets"]).ok();
    assert!(targets.contains("linear           v1.0.0   <device> <offset>\n"), "{targets}");
}

#[test]
fn arguments_that_make_no_sense_end_with_2() {
    for args in [
        &["--nonsense"][..],
        &["create"],
        &["wait", "foo", "--timeout", "-1"],
        &["serve", "--tcp", "x"],
    ] {
        let said = run(Command::new(DMCTL).args(args), "");
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
        assert!(said.err.starts_with("error: "), "{said:?}");
    }
}

#[test]
fn readers_may_have_enough() {
    let daemon = Daemon::serve();
    let lines: String = (0..10_000).map(|n| format!("{} 8 zero\n", n * 8)).collect();
    let file = daemon.folder.file("t", &lines);
    daemon.dmctl(["create", "foo", "--table-file", &file]).ok();
    let dmctl = format!("{DMCTL} --dir {}", daemon.folder.path("run").display());
    let bad = daemon.folder.file("bad", &lines.replace("zero", "zoro"));
    for command in ["table foo", "table --json", "status", &format!("check {bad} 2>&1")] {
        let line = format!("set +o pipefail; {dmctl} {command} | head -c 10 > /dev/null");
        crate::support::sh(&line);
        let full =
            run(Command::new("bash").args(["-c", &format!("{dmctl} {command} > /dev/full")]), "");
        if !command.starts_with("check") {
            let expected =
                "dmctl: cannot write the standard output: No space left on device (os error 28)\n";
            assert_eq!((full.code, full.err.as_str()), (Some(1), expected));
        }
    }
}

#[test]
fn completions_know_the_verbs() {
    for (shell, word) in
        [("bash", "_dmctl()"), ("zsh", "#compdef dmctl"), ("fish", "complete -c dmctl")]
    {
        let script = run(Command::new(DMCTL).args(["completions", shell]), "").ok();
        assert!(script.contains(word) && script.contains("quickstart"), "{shell}");
    }
    let loads = "complete -p dmctl";
    let line = format!("source <({DMCTL} completions bash); {loads}");
    assert!(crate::support::sh(&line).contains("_dmctl"));
}
