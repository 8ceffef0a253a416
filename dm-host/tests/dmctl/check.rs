//! `check`: every error of a table, with its line, a caret, and a hint.

use crate::support::{Daemon, Folder};

const BAD: &str = "\
# four mistakes
0 1024 linear a.img
1024 512 lineer a.img 0
1536 512 zero now
4096 8 zero
";

const SHOWN: &str = "\
error: linear: expected the offset in sectors, found the end of the line
 --> bad.table:2:20
  |
2 | 0 1024 linear a.img
  |                    ^
  |
  = help: a line is: <start> <length> linear <device> <offset>

error: unknown target type `lineer` (did you mean `linear`?); known are error (io-err), linear, mirror, striped, zero
 --> bad.table:3:10
  |
3 | 1024 512 lineer a.img 0
  |          ^^^^^^

error: zero: expected the end of the line, found `now`
 --> bad.table:4:15
  |
4 | 1536 512 zero now
  |               ^^^
  |
  = help: a line is: <start> <length> zero

error: expected sector 2048, where the line before ends, found 4096: a gap
 --> bad.table:5:1
  |
5 | 4096 8 zero
  | ^^^^

dmctl: bad.table: the table has 4 errors
";

#[test]
fn every_error_is_shown_in_its_line() {
    let folder = Folder::new();
    folder.disk("a.img", 4096);
    folder.file("bad.table", BAD);
    assert_eq!(folder.dmctl(["check", "bad.table"]).refused(), SHOWN);

    // A daemon says the same.
    let daemon = Daemon::start(folder, &["serve"]).unwrap_or_else(|said| panic!("{said:?}"));
    assert_eq!(daemon.dmctl(["check", "bad.table"]).refused(), SHOWN);
    assert_eq!(daemon.dmctl(["ls"]).ok(), "No devices found\n");
}

#[test]
fn json_has_the_same_errors() {
    let folder = Folder::new();
    folder.disk("a.img", 4096);
    folder.file("bad.table", BAD);
    let said = folder.dmctl(["check", "--json", "bad.table"]);
    assert_eq!(said.code, Some(1));
    let found: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&found["file"], &found["ok"]), (&"bad.table".into(), &false.into()));
    let places: Vec<(u64, u64)> = found["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["line"].as_u64().unwrap(), error["column"].as_u64().unwrap()))
        .collect();
    assert_eq!(places, [(2, 20), (3, 10), (4, 15), (5, 1)]);

    folder.file("good.table", "0 8 zero\n");
    let said = folder.dmctl(["check", "--json", "good.table"]).ok();
    let found: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(found, serde_json::json!({ "file": "good.table", "ok": true, "errors": [] }));
}

#[test]
fn a_good_table_says_nothing_and_changes_nothing() {
    let folder = Folder::new();
    let a = folder.disk("a.img", 4096);
    folder.file("good.table", &format!("0 4096 linear {a} 0\n"));
    assert_eq!(folder.dmctl(["check", "good.table"]).ok(), "");
    assert_eq!(folder.dmctl(["check", "--readonly", "good.table"]).ok(), "");
    let daemon = Daemon::start(folder, &["serve"]).unwrap_or_else(|said| panic!("{said:?}"));
    daemon.dmctl(["create", "low", "--table", "0 8 zero"]).ok();
    // What the daemon has mapped can be named.
    daemon.folder.file("top.table", "0 8 linear low 0\n");
    assert_eq!(daemon.dmctl(["check", "top.table"]).ok(), "");
    assert_eq!(daemon.dmctl(["ls"]).ok(), "low\t(0)\n");
}

#[test]
fn devices_are_looked_at() {
    let folder = Folder::new();
    folder.disk("a.img", 64);
    std::fs::create_dir(folder.path("folder")).unwrap();
    for (line, expected) in [
        ("0 65 linear a.img 0", "65 sectors from sector 0 on do not fit on `a.img`, which has 64"),
        ("0 8 linear b.img 0", "cannot open device `b.img`: no such device or file"),
        (
            "0 8 linear folder 0",
            "cannot open device `folder`: it is neither a block device nor a regular file",
        ),
    ] {
        folder.file("a.table", line);
        let said = folder.dmctl(["check", "a.table"]).refused();
        let first = said.lines().next().unwrap();
        assert_eq!(first, format!("error: linear: {expected}"));
    }
}

#[test]
fn odd_bytes_and_long_lines_are_shown_too() {
    let folder = Folder::new();
    let long = format!("0 8 {} x\n", "y".repeat(1 << 20));
    for text in [&b"0 8 zero\0\n"[..], b"0 8 \xff\xfe zero\n", b"\xf0", long.as_bytes(), b""] {
        std::fs::write(folder.path("odd.table"), text).unwrap();
        let said = folder.dmctl(["check", "odd.table"]).refused();
        assert!(said.starts_with("error: ") && said.len() < 2000, "{said}");
        assert!(said.ends_with("dmctl: odd.table: the table has 1 error\n"), "{said}");
    }
}

#[test]
fn a_great_many_errors_are_all_counted() {
    let folder = Folder::new();
    let lines: String = (0..5000).map(|n| format!("{} 8 zoro\n", n * 8)).collect();
    folder.file("many.table", &lines);
    let said = folder.dmctl(["check", "many.table"]).refused();
    assert_eq!(said.matches("error: unknown target type").count(), 5000);
    assert!(said.ends_with("dmctl: many.table: the table has 5000 errors\n"));
    let daemon = Daemon::start(folder, &["serve"]).unwrap_or_else(|said| panic!("{said:?}"));
    let said = daemon.dmctl(["create", "foo", "--table-file", "many.table"]).refused();
    let last = "dmctl: many.table: the table has 5000 errors, of which the first 1000 are shown\n";
    assert!(said.ends_with(last), "{}", &said[said.len() - 200..]);
}
