//! What sessions promise beyond commands and answers: waiting, framing, and opens that do not mix.

mod common;

use common::{Setup, first_bytes};
use dm_proc_shim::{DeviceFile, Errno, File, Interrupted, Step};
use proptest::prelude::*;

#[test]
fn the_proposals_session_works_as_written() {
    let setup = Setup::empty();
    // <major>:<minor>, which the proposal's tables write as two words.
    setup.sim.add_disk("3:1", 200).fill(|_| b'a');
    setup.sim.add_disk("3:2", 200).fill(|_| b'b');
    setup.write("control", b"create foo\n").unwrap();
    let table = b"begin\n0 8 linear 3 1 100\n8 8 linear 3 2 0\n16 8 io-err\nend\n";
    setup.write("foo", table).unwrap();
    assert_eq!(first_bytes(&setup, "foo"), *b"ab");
    assert_eq!(
        setup.read("foo"),
        "state active\nevents 1\ntable\n  0 8 linear 3:1 100\n  8 8 linear 3:2 0\n  16 8 error\n\
         inactive\nstatus\n  0 8 linear\n  8 8 linear\n  16 8 error\nerror\nmessage\n"
    );
    setup.write("control", b"remove foo\n").unwrap();
    assert_eq!(setup.read("control"), "");
}

#[test]
fn the_target_types_are_listed_with_their_aliases_and_arguments() {
    assert_eq!(
        Setup::empty().read("targets"),
        "error,io-err v1.0.0\nlinear v1.0.0 <device> <offset>\n\
         mirror v1.0.0 <core or disk> <#log args> [<log device>] <region size> [sync or nosync] \
         <#mirrors> (<device> <offset>)+ [<#features> handle_errors keep_log]\n\
         striped v1.0.0 <#stripes> <chunk> (<device> <offset>)+\nzero v1.0.0\n"
    );
}

#[test]
fn a_suspend_waits_for_requests_and_what_follows_waits_with_it() {
    let setup = Setup::new();
    let open = setup.mapper().find("foo").unwrap().open().unwrap();
    let ticket = setup.sim.read(&open, 0, 1);
    let mut control = setup.open("control");
    let text = b"suspend foo\ncreate later\n";
    assert_eq!(control.put(text).unwrap(), text.len());
    let Ok(Step::Wait(change)) = control.advance(setup.mapper()) else {
        panic!("a request is on its way");
    };
    assert!(!change.is_done());
    assert!(setup.mapper().find("later").is_none());
    setup.sim.complete_all();
    assert!(change.is_done() && ticket.is_done());
    assert!(matches!(control.advance(setup.mapper()), Ok(Step::Done)));
    assert_eq!(setup.read("foo/state"), "suspended\n");
    assert!(setup.mapper().find("later").is_some());
}

#[test]
fn a_name_is_free_for_the_command_behind_its_removal() {
    let setup = Setup::new();
    let open = setup.mapper().find("foo").unwrap().open().unwrap();
    let _ticket = setup.sim.read(&open, 0, 1);
    drop(open);
    let mut waits = 0;
    let mut control = setup.open("control");
    control
        .write(setup.mapper(), b"remove foo\ncreate foo 9\n", &mut |change| {
            waits += 1;
            assert!(!change.is_done());
            setup.sim.complete_all();
            Ok(())
        })
        .unwrap();
    assert_eq!(waits, 1);
    assert!(setup.read("control").contains("foo 9 empty 0 0\n"));
}

#[test]
fn whoever_is_interrupted_leaves_a_change_that_takes_place() {
    let setup = Setup::new();
    let open = setup.mapper().find("foo").unwrap().open().unwrap();
    let _ticket = setup.sim.read(&open, 0, 1);
    let mut control = setup.open("control");
    let text = b"suspend foo\ncreate never\n";
    let error = control.write(setup.mapper(), text, &mut |_| Err(Interrupted)).unwrap_err();
    assert_eq!(error.errno(), Errno::Interrupted);
    setup.sim.complete_all();
    assert_eq!(setup.read("foo/state"), "suspended\n");
    setup.close(&mut control).unwrap();
    assert!(setup.mapper().find("never").is_none());
}

/// Only where requests drain, and what is mounted can still write, and is not to be left alone.
#[test]
fn what_is_mounted_comes_to_rest_before_a_device_drains_and_goes_on_behind_it() {
    let setup = Setup::new();
    let foo = setup.mapper().find("foo").unwrap();
    let mut control = setup.open("control");
    for (line, frozen) in [
        ("suspend foo nofreeze", false),
        ("suspend foo", false),
        ("resume foo", false),
        ("suspend foo", true),
        ("suspend foo", true),
        ("resume foo", false),
        ("resume foo", false),
    ] {
        setup.write_to(&mut control, format!("{line}\n").as_bytes()).unwrap();
        let expected = if frozen { vec![foo.minor()] } else { Vec::new() };
        assert_eq!(setup.sim.frozen(), expected, "{line}");
    }

    // While the device passes on requests that came before, what is mounted rests only for another table.
    let resumes = |table: &[u8], line: &[u8], frozen: usize| {
        setup.write("foo", table).unwrap();
        let open = foo.open().unwrap();
        let _ticket = setup.sim.read(&open, 0, 1);
        let mut control = setup.open("control");
        control.put(line).unwrap();
        let step = control.advance(setup.mapper()).unwrap();
        assert_eq!(matches!(step, Step::Wait(_)), !table.is_empty());
        assert_eq!(setup.sim.frozen().len(), frozen, "{}", line.escape_ascii());
        setup.sim.complete_all();
        assert!(matches!(control.advance(setup.mapper()), Ok(Step::Done)));
        assert_eq!(setup.sim.frozen(), []);
    };
    resumes(b"", b"resume foo\n", 0);
    resumes(b"0 8 linear a 8\n", b"resume foo\n", 1);
    resumes(b"0 8 linear b 8\n", b"resume foo nofreeze\n", 0);
}

#[test]
fn two_opens_do_not_mix() {
    let setup = Setup::new();
    let (mut one, mut other) = (setup.open("foo"), setup.open("foo/table"));
    setup.write_to(&mut one, b"begin\n0 8 linear a 8\n").unwrap();
    setup.write_to(&mut other, b"0 16 ze").unwrap();
    setup.write_to(&mut one, b"8 8 linear a 16\nend\n").unwrap();
    assert_eq!(setup.read("foo/inactive"), "0 8 linear a 8\n8 8 linear a 16\n");
    setup.write_to(&mut other, b"ro\n").unwrap();
    setup.close(&mut one).unwrap();
    assert_eq!(setup.read("foo/inactive"), "0 8 linear a 8\n8 8 linear a 16\n");
    setup.close(&mut other).unwrap();
    assert_eq!(setup.read("foo/inactive"), "0 16 zero\n");
}

#[test]
fn an_open_that_is_dropped_in_the_middle_of_anything_leaves_nothing() {
    let setup = Setup::new();
    let before = setup.snapshot();
    for (path, text) in
        [("foo", "begin\n0 8 zero\n"), ("foo", "0 8 zero\n"), ("control", "remove new")]
    {
        let mut session = setup.open(path);
        setup.write_to(&mut session, text.as_bytes()).unwrap();
        drop(session);
        assert_eq!(setup.snapshot(), before, "{path} {text}");
    }
}

#[test]
fn a_table_that_breaks_off_behind_begin_is_refused_wherever_it_breaks() {
    let setup = Setup::new();
    let before = setup.snapshot();
    let text = b"begin\n0 8 linear a 8\n8 8 linear a 16\nend";
    for cut in 5..text.len() {
        let refused = setup.write("foo", &text[..cut]);
        assert!(refused.is_err(), "{}", String::from_utf8_lossy(&text[..cut]));
        assert_eq!(setup.snapshot(), before);
    }
    setup.write("foo", text).unwrap();
    assert_eq!(setup.read("foo/inactive"), "0 8 linear a 8\n8 8 linear a 16\n");
}

#[test]
fn one_open_may_write_table_after_table() {
    let setup = Setup::new();
    let mut foo = setup.open("foo");
    setup.write_to(&mut foo, b"begin\n0 8 zero\nend\n\n# next\nbegin\n0 24 zero\nend\n").unwrap();
    assert_eq!(setup.read("foo/inactive"), "0 24 zero\n");
    let error = setup.write_to(&mut foo, b"begin\n0 8 nothing\nend\nbegin\n0 32 zero\nend\n");
    assert!(error.unwrap_err().to_string().starts_with("2:5: unknown target type `nothing`"));
    let error = setup.write_to(&mut foo, b"0 40 zero\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "4:1: only comments, or `begin` and another table, may follow `end`"
    );
    setup.close(&mut foo).unwrap();
    assert_eq!(setup.read("foo/inactive"), "0 24 zero\n", "what came behind the error is dropped");
}

#[test]
fn the_rest_of_a_discarded_table_is_no_table() {
    let setup = Setup::new();
    for start in ["begin\n", "# bare\n8 8 zero\n"] {
        let mut foo = setup.open("foo");
        setup.write_to(&mut foo, start.as_bytes()).unwrap();
        foo.discard();
        let error = setup.write_to(&mut foo, b"0 8 zero\n").unwrap_err();
        assert!(error.to_string().contains("may follow `end`"), "{error}");
        setup.close(&mut foo).unwrap();
        assert_eq!(setup.read("foo/inactive"), "");
    }
}

#[test]
fn a_session_goes_on_behind_a_close() {
    let setup = Setup::new();
    let mut foo = setup.open("foo/table");
    setup.close(&mut foo).unwrap();
    setup.write_to(&mut foo, b"0 8 zero").unwrap();
    setup.close(&mut foo).unwrap();
    assert_eq!(setup.read("foo/inactive"), "0 8 zero\n");
    setup.close(&mut foo).unwrap();
    setup.write_to(&mut foo, b"0 16 ").unwrap();
    setup.write_to(&mut foo, b"zero").unwrap();
    setup.close(&mut foo).unwrap();
    assert_eq!(setup.read("foo/inactive"), "0 16 zero\n");

    let mut control = setup.open("control");
    setup.write_to(&mut control, b"create one").unwrap();
    setup.close(&mut control).unwrap();
    let error = setup.write_to(&mut control, b"create one\n").unwrap_err();
    assert_eq!(error.to_string(), "1:8: a device of that name exists already");
}

#[test]
fn files_outlive_a_rename_but_not_their_device() {
    let setup = Setup::new();
    let file = setup.find("new/state").unwrap();
    let mut table = setup.open("new/table");
    setup.write("control", b"rename new newer\n").unwrap();
    assert_eq!(file.read(setup.mapper()).unwrap().as_str(), "empty\n");
    setup.write("control", b"remove newer\ncreate new\n").unwrap();
    let error = file.read(setup.mapper()).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.errno()),
        ("the device was removed", Errno::NoDevice)
    );
    setup.write_to(&mut table, b"0 8 zero\n").unwrap();
    assert_eq!(setup.close(&mut table).unwrap_err().errno(), Errno::NoDevice);
    assert_eq!(setup.read("new/state"), "empty\n");
}

#[test]
fn every_file_of_a_directory_is_found_and_takes_what_it_says_it_takes() {
    let setup = Setup::new();
    for file in DeviceFile::DIRECTORY {
        let path = format!("foo/{}", file.name());
        assert!(matches!(setup.find(&path), Ok(File::Device(_, found)) if found == file));
        let refused = setup.open(&path).put(b"x").is_err();
        assert_eq!(refused, !file.is_writable(), "{path}");
    }
    let writable = DeviceFile::DIRECTORY.iter().filter(|file| file.is_writable());
    let names: Vec<_> = writable.map(|file| file.name()).collect();
    assert_eq!(names, ["table", "state", "message"]);
}

/// What is written, and where it is cut.
fn written() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let piece = prop_oneof![
        Just("create x\n"),
        Just("create foo\n"),
        Just("remove x\n"),
        Just("rename x y\n"),
        Just("suspend foo\n"),
        Just("resume foo\n"),
        Just("clear foo\n"),
        Just("begin\n"),
        Just("end\n"),
        Just("0 8 zero\n"),
        Just("8 8 linear a 0\n"),
        Just("resume"),
        Just("# comment\n"),
        Just(" "),
        Just("\n"),
        Just("\\"),
    ];
    let bytes = prop_oneof![
        9 => piece.prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    (
        proptest::collection::vec(bytes, 0..20).prop_map(|pieces| pieces.concat()),
        proptest::collection::vec(0..100usize, 0..6),
    )
}

proptest! {
    #[test]
    fn any_bytes_however_cut_end_the_same((bytes, mut cuts) in written(), n in 0..4usize) {
        let path = ["control", "foo", "new/table", "foo/state"][n];
        let (whole, cut) = (Setup::new(), Setup::new());
        let expected = whole.write(path, &bytes).map_err(|error| error.to_string());
        cuts.sort();
        cuts.insert(0, 0);
        cuts.push(usize::MAX);
        let mut session = cut.open(path);
        let mut pieces = cuts.windows(2).map(|ends| {
            let [start, end] = [ends[0], ends[1]].map(|at| at.min(bytes.len()));
            &bytes[start..end]
        });
        // Whoever writes stops at the first error, and closes.
        let found = pieces
            .try_for_each(|piece| cut.write_to(&mut session, piece))
            .and_then(|()| cut.close(&mut session))
            .map_err(|error| error.to_string());
        prop_assert_eq!(found, expected);
        prop_assert_eq!(cut.snapshot(), whole.snapshot());
        prop_assert_eq!(cut.read("foo/error"), whole.read("foo/error"));
    }
}
