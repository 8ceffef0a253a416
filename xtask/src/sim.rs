//! The simulator: runs of mirrors, moves and other targets that a seed decides.

use std::thread;

use lexopt::prelude::*;

use crate::failure::Failure;
use crate::shell;

/// Which seeds to run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seeds {
    pub(crate) from: u64,
    pub(crate) count: u64,
}

/// Reads `--seeds N [--from S]`; `None` if help is wanted.
pub(crate) fn parse(args: &mut lexopt::Parser) -> Result<Option<Seeds>, lexopt::Error> {
    let (mut from, mut count) = (0, None);
    while let Some(arg) = args.next()? {
        match arg {
            Long("seeds") => count = Some(args.value()?.parse()?),
            Long("from") => from = args.value()?.parse()?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    let count = count.ok_or("`sim` needs `--seeds`, the number of seeds to run")?;
    Ok(Some(Seeds { from, count }))
}

/// Runs them on all CPUs; stops at the first that fails, and prints what it came to.
pub(crate) fn run(seeds: Seeds) -> Result<(), Failure> {
    let threads = thread::available_parallelism().map_or(1, |cpus| cpus.get());
    let mut cargo =
        shell::cargo(&["run", "--release", "--package=dm-sim", "--example=seeds", "--"]);
    shell::run(cargo.args([seeds.from, seeds.count, threads as u64].map(|n| n.to_string())))
}
