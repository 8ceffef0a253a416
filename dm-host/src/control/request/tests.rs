use super::*;

#[test]
fn requests() {
    let new = NewDevice {
        name: "foo".parse().unwrap(),
        mode: Mode::ReadOnly,
        minor: Minor::new(7),
        uuid: None,
    };
    let create = Request::Create { new: Box::new(new), bytes: 0 };
    for (line, expected) in [
        ("read foo/table", Request::Read { path: "foo/table".into() }),
        ("write control 11", Request::Write { path: "control".into(), bytes: 11 }),
        ("create foo ro 7 - 0", create),
        ("turn foo", Request::Turn { name: "foo".into() }),
        ("info", Request::Info { name: None }),
        ("targets", Request::Targets),
        ("figures foo", Request::Figures { name: Some("foo".into()) }),
        ("metrics", Request::Metrics),
        ("export foo 4 9", Request::Export { name: "foo".into(), queues: 4, bytes: 9 }),
        ("export-ublk foo 4", Request::ExportUblk { name: "foo".into(), queues: 4 }),
        ("unexport 9", Request::Unexport { bytes: 9 }),
    ] {
        assert_eq!(Request::parse(line).unwrap(), expected);
    }
}

#[test]
fn what_is_no_request_is_told_apart() {
    for (line, expected) in [
        ("", "expected a request, found the end of the line"),
        (
            "reed foo",
            "unknown request `reed`; known are read, write, wait, message, create, load, check, \
             switch, turn, info, targets, figures, metrics, export, export-ublk, unexport",
        ),
        ("read", "expected a path, found the end of the line"),
        ("read a b", "expected the end of the line, found `b`"),
        ("write control", "expected a number of bytes, found the end of the line"),
        (
            "write control -1",
            "expected a number of bytes, found `-1`: invalid digit found in string",
        ),
        ("write control 268435457", "at most 268435456 bytes are allowed"),
        ("load foo wo 1", "expected rw or ro"),
        ("create a/b rw - - 0", "expected a name, found `a/b`: the name has '/' in it"),
        ("create foo rw 1048576 - 0", "minor 1048576 is past 1048575, the highest"),
    ] {
        assert_eq!(Request::parse(line).unwrap_err().text, expected);
    }
}
