//! Which operations, on which devices.

use super::disk::Request;
use super::{Act, Case, Command};

pub(super) const LIVE: &str = "live";
/// As far as it has data.
pub(super) const LIVE_SECTORS: u64 = 256;

/// `/dev/a` and `/dev/b` are disks of 32 MiB with a write cache.
pub(super) const WORLD: &[Command] = &[
    ("control", "create low"),
    ("low", "begin\n0 4096 linear /dev/a 40000\nend"),
    ("control", "create log"),
    ("log", "begin\n0 64 linear /dev/b 60000\nend"),
    ("control", "create live"),
    (
        "live",
        "begin\n0 64 linear /dev/a 8\n64 128 striped 2 8 /dev/a 1000 /dev/b 0\n\
         192 64 linear low 0\n256 8 zero\n264 8 error\nend",
    ),
    ("control", "create scratch"),
    (
        "scratch",
        "begin\n0 64 linear /dev/a 20008\n64 128 striped 2 8 /dev/a 21000 /dev/b 20000\nend",
    ),
    ("control", "create mirrored"),
    ("mirrored", "begin\n0 2048 mirror core 2 1024 nosync 2 /dev/a 30000 /dev/b 30000\nend"),
    ("control", "create resting"),
    ("resting", "begin\n0 64 linear /dev/b 50000\nend"),
    ("control", "suspend resting"),
];

pub(super) const END: &[Command] = &[
    ("control", "remove live"),
    ("control", "remove low"),
    ("control", "remove log"),
    ("control", "remove scratch"),
    ("control", "remove mirrored"),
    ("control", "remove resting"),
];

const CREATE: &[Command] = &[("control", "create new")];
const REMOVE: &[Command] = &[("control", "remove new")];
const OTHER: &str = "begin\n0 64 linear /dev/b 8\n64 8 zero\nend";

/// Loads and binds the first table of a device.
const fn first(table: &'static str) -> Case {
    Case { before: CREATE, act: Act::Write(("new", table)), after: REMOVE }
}

/// A command for a device that is there before and after.
const fn command(
    before: &'static [Command],
    command: &'static str,
    after: &'static [Command],
) -> Case {
    Case { before, act: Act::Write(("control", command)), after }
}

const fn request(request: Request, device: &'static str, sectors: u64) -> Case {
    Case { before: &[], act: Act::Request(request, device, sectors), after: &[] }
}

const fn read(file: &'static str) -> Case {
    Case { before: &[], act: Act::Read(file), after: &[] }
}

pub(super) const CASES: &[Case] = &[
    command(&[], "create new", REMOVE),
    command(&[], "create new 77", REMOVE),
    command(CREATE, "remove new", &[]),
    first("begin\n0 64 linear /dev/a 0\nend"),
    first("begin\n0 64 linear low 0\nend"),
    first("begin\n0 64 striped 2 8 /dev/a 0 /dev/b 0\nend"),
    first("begin\n0 64 zero\nend"),
    first("begin\n0 64 error\nend"),
    first("begin\n0 2048 mirror core 2 1024 nosync 2 /dev/a 0 /dev/b 0\nend"),
    first("begin\n0 2048 mirror disk 3 log 1024 nosync 2 /dev/a 0 /dev/b 0\nend"),
    first(
        "begin\n0 64 linear /dev/a 0\n64 64 striped 2 8 /dev/a 0 low 0\n128 8 zero\n136 8 error\nend",
    ),
    Case { before: &[], act: Act::Write(("live", OTHER)), after: &[("control", "clear live")] },
    Case {
        before: &[("live", "begin\n0 8 zero\nend")],
        act: Act::Write(("live", OTHER)),
        after: &[("control", "clear live")],
    },
    command(&[("live", OTHER)], "clear live", &[]),
    command(&[], "suspend mirrored", &[("control", "resume mirrored")]),
    command(&[], "suspend scratch nofreeze", &[("control", "resume scratch")]),
    command(&[("control", "suspend mirrored")], "resume mirrored", &[]),
    Case {
        before: &[
            ("control", "create new"),
            ("new", "begin\n0 64 linear /dev/a 0\nend"),
            ("new", OTHER),
        ],
        act: Act::Write(("control", "resume new")),
        after: REMOVE,
    },
    command(CREATE, "rename new newer", &[("control", "remove newer")]),
    command(&[], "rename resting rested", &[("control", "rename rested resting")]),
    read("control"),
    read("targets"),
    read("live"),
    read("mirrored"),
    request(Request::Read, "scratch", 192),
    request(Request::Write, "scratch", 192),
    request(Request::Zero, "scratch", 192),
    request(Request::Flush, "scratch", 8),
    request(Request::Read, "mirrored", 192),
    request(Request::Write, "mirrored", 192),
    request(Request::Flush, "mirrored", 8),
];
