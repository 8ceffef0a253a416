//! `draw`: the same picture as ever.

use crate::support::{Daemon, Folder};

const PICTURE: &str = "\
foo.table: 36 MiB, 73728 sectors in 4 lines on 2 devices
┌─────────────────┬───────────────────────────────┬──────────┬─────────────────┐
│1 linear         │2 striped                      │3 zero    │4 linear         │
│A                │ABABABABABABABABABABABABABABABA│zeros     │B                │
└─────────────────┴───────────────────────────────┴──────────┴─────────────────┘
0                 16384                           49152      57344         73728

A  a.img: 24 MiB, 49152 sectors, 32768 in use
┌─────┬───────────────────────┬─────┬───────────────────────┬──────────────────┐
│     │1                      │     │2                      │                  │
│     │8 MiB                  │     │8 MiB                  │6 MiB free        │
└─────┴───────────────────────┴─────┴───────────────────────┴──────────────────┘
0     2048                    18432 20480                   36864          49152

B  b.img: 32768 sectors in use
┌──────────────────────────────────────┬───────────────────────────────────────┐
│2                                     │4                                      │
│8 MiB                                 │8 MiB                                  │
└──────────────────────────────────────┴───────────────────────────────────────┘
0                                      16384                               32768

1  0 16384 linear a.img 2048
2  16384 32768 striped 2 128 a.img 20480 b.img 0
3  49152 8192 zero
4  57344 16384 linear b.img 16384
";

const TABLE: &str = "\
0 16384 linear a.img 2048
16384 32768 striped 2 128 a.img 20480 b.img 0
49152 8192 zero
57344 16384 linear b.img 16384
";

#[test]
fn a_table_in_a_file() {
    let folder = Folder::new();
    // The one disk is there, the other is not.
    folder.disk("a.img", 49152);
    folder.file("foo.table", TABLE);
    assert_eq!(folder.dmctl(["draw", "foo.table"]).ok(), PICTURE);
    // No colours where nobody sees them, but where they are asked for.
    let mut command = folder.command();
    let output = command.args(["draw", "foo.table"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("\u{1b}[48;5;"));
}

#[test]
fn the_table_of_a_device() {
    let daemon = Daemon::serve();
    daemon.dmctl(["create", "foo", "--table", "0 8 zero\n8 8 error\n"]).ok();
    let said = daemon.dmctl(["draw", "foo"]).ok();
    assert!(said.starts_with("foo: 8 KiB, 16 sectors in 2 lines on 0 devices\n"), "{said}");
    assert!(said.contains("zeros") && said.contains("errors"), "{said}");
}

#[test]
fn tables_of_any_size_fit() {
    let folder = Folder::new();
    for lines in [1u64, 2, 17, 100, 10_000] {
        let line = |n: u64| format!("{} 8 linear /disk-{} {}\n", n * 8, n % 40, n * 80);
        folder.file("t", &(0..lines).map(line).collect::<String>());
        let said = folder.dmctl(["draw", "t"]).ok();
        for line in said.lines() {
            assert!(line.chars().count() <= 80, "{lines} lines: {line}");
        }
        assert!(said.lines().count() < 150, "{lines} lines");
        let svg = folder.dmctl(["draw", "t", "--svg"]).ok();
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
        assert!(svg.len() < 1 << 20, "{lines} lines: {} bytes", svg.len());
    }
}

#[test]
fn svg_is_well_formed_whatever_the_names() {
    let folder = Folder::new();
    folder.file("t", "0 8 linear /<a>&\"b\u{1} 0\n8 16 striped 2 4 x 0 y 8\n");
    folder.dmctl(["draw", "t", "--svg", "t.svg"]).ok();
    let svg = std::fs::read_to_string(folder.path("t.svg")).unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let mut words = document.descendants().filter_map(|node| node.text());
    assert!(words.any(|word| word == "A\u{a0}\u{a0}/<a>&\"b\u{fffd}"), "{svg}");
}

#[test]
fn a_bad_table_is_not_drawn() {
    let folder = Folder::new();
    folder.file("t", "0 8 zoro\n");
    let said = folder.dmctl(["draw", "t"]).refused();
    assert!(said.starts_with("error: unknown target type `zoro`"), "{said}");
    assert!(said.ends_with("dmctl: t: the table has 1 error\n"), "{said}");
}
