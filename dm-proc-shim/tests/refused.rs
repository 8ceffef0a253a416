//! Bad input: the exact message for each, and the old table keeps working.

mod common;

use Errno::{Access, Busy, Invalid, NoEntry, TooBig};
use common::{Setup, first_bytes};
use dm_proc_shim::testing::{DEVICE_SECTORS, Refusal, SCRIPTS, Sessions, Surface, run};
use dm_proc_shim::{Errno, MAX_LINE};
use dm_sim::SimHost;

/// Looks after each refusal whether anything has changed, and whether `foo` still maps.
struct Watched<'s> {
    setup: &'s Setup,
    inner: Sessions<'s, SimHost>,
    refusals: usize,
}

impl Surface for Watched<'_> {
    fn devices(&self) -> Vec<String> {
        self.inner.devices()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let before = self.setup.snapshot();
        let written = self.inner.write(path, bytes);
        // Where a good table comes before something that is wrong, the good one counts.
        if written.is_err() && !bytes.starts_with(b"begin\n0 8 zero\nend\n8 8") {
            let what = String::from_utf8_lossy(bytes);
            assert_eq!(self.setup.snapshot(), before, "{path}: {what}");
            assert_eq!(first_bytes(self.setup, "foo"), *b"ab", "{path}: {what}");
            self.refusals += 1;
        }
        written
    }

    fn read(&mut self, path: &str) -> Result<String, Refusal> {
        self.inner.read(path)
    }
}

#[test]
fn the_old_table_works_on_after_each_refusal_of_the_script() {
    let setup = Setup::empty();
    setup.sim.add_disk("disk-a", DEVICE_SECTORS).fill(|_| b'a');
    setup.sim.add_disk("disk-b", DEVICE_SECTORS).fill(|_| b'b');
    let inner = Sessions::new(setup.mapper(), &["disk-a", "disk-b"], usize::MAX);
    let mut watched = Watched { setup: &setup, inner, refusals: 0 };
    let (_, script) = SCRIPTS.iter().find(|(name, _)| *name == "refused").unwrap();
    run(script, &mut watched).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(watched.refusals >= 60, "only {}", watched.refusals);
}

/// What surfaces have different words for, or need not offer: path, what is written, the answer.
/// `busy` is open once.
const REFUSED: &[(&str, &str, Errno, &str)] = &[
    ("", "0 8 zero", NoEntry, "there is no device ``"),
    ("nobody", "0 8 zero", NoEntry, "there is no device `nobody`"),
    ("nobody/table", "0 8 zero", NoEntry, "there is no device `nobody`"),
    ("foo/", "0 8 zero", NoEntry, "there is no such file"),
    ("foo/tables", "0 8 zero", NoEntry, "there is no such file"),
    ("foo/table/", "0 8 zero", NoEntry, "there is no such file"),
    ("targets", "mine", Access, "this file can only be read"),
    ("foo/inactive", "0 8 zero", Access, "this file can only be read"),
    ("foo/error", "none", Access, "this file can only be read"),
    ("foo/status", "well", Access, "this file can only be read"),
    ("foo/events", "0", Access, "this file can only be read"),
    ("control", "create   ", Invalid, "1:7: expected the device's name, found the end of the line"),
    ("control", "remove busy", Busy, "1:8: the device is in use: it is open 1 time"),
    ("control", "rename busy bar", Busy, "1:8: the device is in use: it is open 1 time"),
    (
        "foo",
        "0 8 linear big 1",
        Invalid,
        "1:16: linear: the offset 1 is not a multiple of the device's logical block, 8 sectors",
    ),
];

#[test]
fn each_is_refused_with_its_message_and_the_old_table_works_on() {
    let setup = Setup::new();
    let _open = setup.mapper().find("busy").unwrap().open().unwrap();
    let before = setup.snapshot();
    for (path, written, errno, message) in REFUSED {
        let error = setup.write(path, written.as_bytes()).expect_err(written);
        assert_eq!((error.to_string().as_str(), error.errno()), (*message, *errno), "{path}");
        assert_eq!(setup.snapshot(), before, "{path}: {written}");
        assert_eq!(first_bytes(&setup, "foo"), *b"ab", "{path}: {written}");
    }
}

#[test]
fn a_line_of_a_megabyte_is_refused_where_it_is_no_comment() {
    let setup = Setup::new();
    let before = setup.snapshot();
    let long = "x".repeat(1 << 20);
    let too_long = format!("the line is longer than {MAX_LINE} bytes");
    for (path, line, errno, message) in [
        ("control", format!("create {long}\n"), TooBig, too_long.clone()),
        ("control", format!("# {long}\n"), TooBig, too_long.clone()),
        ("foo/state", long.clone(), TooBig, too_long.clone()),
        ("foo/message", format!("0 {long}\n"), TooBig, too_long),
        (
            "control",
            format!("create {}\n", &long[..MAX_LINE - 8]),
            Invalid,
            format!(
                "1:8: expected the device's name, found `{}`... (65528 bytes): the name is 65528 bytes \
             long; at most 127 are allowed",
                &long[..64]
            ),
        ),
        (
            "foo",
            format!("0 8 linear {long} 0\n"),
            Invalid,
            format!(
                "1:12: linear: cannot open device `{}`... (1048576 bytes): no such device or file",
                &long[..64]
            ),
        ),
        (
            "foo",
            format!("0 8 {long}\n"),
            Invalid,
            format!(
                "1:5: unknown target type `{}`... (1048576 bytes); known are error (io-err), linear, mirror, \
             striped, zero",
                &long[..64]
            ),
        ),
        ("foo", "0 ".repeat(1 << 19), Invalid, "1:3: the line covers no sectors".into()),
    ] {
        let error = setup.write(path, line.as_bytes()).unwrap_err();
        assert_eq!((error.to_string(), error.errno()), (message, errno), "{path}");
        assert_eq!(setup.snapshot(), before, "{path}");
        assert_eq!(first_bytes(&setup, "foo"), *b"ab", "{path}");
    }
    setup.write("foo", format!("# {long}\n0 8 zero\n").as_bytes()).unwrap();
    assert_eq!(setup.read("foo/inactive"), "0 8 zero\n");
}

#[test]
fn the_rest_of_a_line_that_was_too_long_is_no_command() {
    let setup = Setup::new();
    let mut control = setup.open("control");
    let long = format!("remove {}", "x".repeat(MAX_LINE));
    for piece in long.as_bytes().chunks(1000) {
        let _ = setup.write_to(&mut control, piece);
    }
    setup.write_to(&mut control, b"\nrename new newer").unwrap();
    assert!(setup.mapper().find("new").is_some(), "still without its line feed");
    setup.write_to(&mut control, b"\n").unwrap();
    assert!(setup.mapper().find("newer").is_some());
}

#[test]
fn a_line_that_was_dropped_behind_an_error_is_no_command_when_it_goes_on() {
    let setup = Setup::new();
    let mut control = setup.open("control");
    // What fits into the buffer ends with a line; what does not ends within one.
    let fits = format!("bogus\n{}\n", "#".repeat(MAX_LINE - 7));
    let error = setup.write_to(&mut control, format!("{fits}create ha").as_bytes()).unwrap_err();
    assert_eq!(error.errno(), Invalid);
    setup.write_to(&mut control, b"lf\ncreate whole\n").unwrap();
    assert!(setup.mapper().find("whole").is_some());
}

#[test]
fn a_million_lines_are_loaded_and_one_that_is_wrong_is_found() {
    use std::fmt::Write;
    let setup = Setup::new();
    let lines = 1_000_000;
    let mut table = String::from("begin\n");
    for line in 0..lines {
        writeln!(table, "{} 8 linear a {}", line * 8, line % 92).unwrap();
    }
    let good = format!("{table}end\n");
    setup.write("foo", good.as_bytes()).unwrap();
    setup.write("control", b"resume foo\n").unwrap();
    let device = setup.mapper().find("foo").unwrap();
    assert_eq!(device.table().unwrap().len(), lines);
    assert_eq!(format!("begin\n{}end\n", setup.read("foo/table")), good);

    let bad = format!("{table}8000001 8 zero\nend\n");
    let error = setup.write("foo", bad.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1000002:1: expected sector 8000000, where the line before ends, found 8000001: a gap"
    );
    assert_eq!(device.table().unwrap().len(), lines);
}
