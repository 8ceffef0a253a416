//! The client: fio, with its nbd engine.

use std::time::Duration;

use super::IoFailure;
use super::ground::Cache;
use crate::failure::Failure;
use crate::shell;

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Case {
    /// As fio calls it.
    pub(super) pattern: &'static str,
    pub(super) block: u64,
    pub(super) depth: u32,
    /// How many there are at once, each with a connection and a process of its own.
    pub(super) clients: u32,
}

const fn case(pattern: &'static str, block: u64, depth: u32, clients: u32) -> Case {
    Case { pattern, block, depth, clients }
}

const SMALL: u64 = 4096;
const LARGE: u64 = 256 << 10;

pub(super) const CASES: &[Case] = &[
    case("randread", SMALL, 1, 1),
    case("randread", SMALL, 32, 1),
    case("randread", SMALL, 1, 4),
    case("randread", SMALL, 32, 4),
    case("randwrite", SMALL, 1, 1),
    case("randwrite", SMALL, 32, 1),
    case("randwrite", SMALL, 1, 4),
    case("randwrite", SMALL, 32, 4),
    case("randrw", SMALL, 1, 1),
    case("randrw", SMALL, 32, 1),
    case("randrw", SMALL, 1, 4),
    case("randrw", SMALL, 32, 4),
    case("read", LARGE, 1, 1),
    case("read", LARGE, 32, 1),
    case("read", LARGE, 1, 4),
    case("read", LARGE, 32, 4),
];

/// Those that only a long run has.
pub(super) const MORE_CASES: &[Case] = &[
    case("write", LARGE, 1, 1),
    case("write", LARGE, 32, 1),
    case("write", LARGE, 1, 4),
    case("write", LARGE, 32, 4),
];

impl Case {
    pub(super) fn name(&self, cache: Cache) -> String {
        let Case { pattern, block, depth, clients } = self;
        let block = block / 1024;
        format!("{pattern} {block}K, depth {depth}, clients {clients}, {}", cache.label())
    }
}

/// A case for one server.
pub(super) struct Load<'l> {
    pub(super) uri: String,
    /// How long the disk is.
    pub(super) bytes: u64,
    pub(super) case: &'l Case,
}

/// What was done.
#[derive(Debug, PartialEq)]
pub(super) struct Done {
    pub(super) requests: f64,
    /// Of wall time, a request.
    pub(super) nanoseconds: f64,
}

impl Load<'_> {
    pub(super) fn run(&self, time: Duration) -> Result<Done, Failure> {
        let Case { pattern, block, depth, clients } = self.case;
        let mut fio = shell::command("fio", &["--name=load", "--ioengine=nbd", "--minimal"]);
        fio.arg(format!("--uri={}", self.uri));
        fio.arg(format!("--rw={pattern}")).arg("--rwmixread=70");
        fio.arg(format!("--bs={block}")).arg(format!("--iodepth={depth}"));
        fio.arg(format!("--numjobs={clients}")).arg("--group_reporting");
        fio.arg(format!("--size={}", self.bytes)).arg("--norandommap");
        fio.args(["--randrepeat=0", "--time_based"])
            .arg(format!("--runtime={}ms", time.as_millis()));
        let printed = shell::read(&mut fio)?;
        let done = printed.lines().find_map(|line| done(line, *block));
        done.ok_or_else(|| IoFailure::Fio(printed).into())
    }
}

/// From a line of fio's terse output, version 3.
fn done(line: &str, block: u64) -> Option<Done> {
    let fields: Vec<&str> = line.split(';').collect();
    let field = |n: usize| fields.get(n)?.parse::<f64>().ok();
    if field(0)? != 3.0 || field(4)? != 0.0 {
        return None;
    }
    let (reads, writes) = (5, 46);
    let kilobytes = field(reads)? + field(writes)?;
    let rate = field(reads + 2)? + field(writes + 2)?;
    let requests = kilobytes * 1024.0 / block as f64;
    (requests > 0.0 && rate > 0.0).then(|| Done { requests, nanoseconds: 1e9 / rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a run of fio 3.33: a mix, 4 KiB, one second; then those that nobody reads.
    fn line(error: &str) -> String {
        let mut fields = vec!["0"; 90];
        (fields[0], fields[1], fields[2], fields[4]) = ("3", "fio-3.33", "load", error);
        (fields[5], fields[6], fields[7], fields[8]) = ("700", "700", "175", "1000");
        (fields[46], fields[47], fields[48], fields[49]) = ("300", "300", "75", "1000");
        fields.join(";")
    }

    #[test]
    fn reads_and_writes_count() {
        let expected = Done { requests: 250.0, nanoseconds: 4e6 };
        assert_eq!(done(&line("0"), 4096), Some(expected));
    }

    #[test]
    fn what_went_wrong_is_no_figure() {
        assert_eq!(done(&line("5"), 4096), None);
        assert_eq!(done("fio: bad option", 4096), None);
    }
}
