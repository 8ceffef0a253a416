//! `cargo xtask bench io`: our server against those that people use today, on the same work.
//!
//! Everything runs in turns: each case is measured once for every server and layout, then the next case,
//! and that as often as there are rounds. The medians count. A server that is not asked is idle.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lexopt::prelude::*;

use crate::dmctl;
use crate::failure::Failure;
use crate::setup::{self, Tool, tool};
use crate::shell;

mod client;
mod contenders;
mod dots;
mod goals;
mod ground;
mod machine;
mod report;
mod server;
mod svg;

use client::{CASES, Case, Load, MORE_CASES};
use contenders::{CONTENDERS, Contender};
pub(crate) use ground::fill;
use ground::{Cache, Ground, Layout};
use report::{Figure, Quantity};
use server::Running;
pub(crate) use server::{enter, read_request};

const TOOLS: &[Tool] = &[
    tool("fio", "fio", "the client"),
    tool("qemu-nbd", "qemu-utils", "a server to compare with"),
    tool("qemu-storage-daemon", "qemu-system-common", "a server to compare with"),
    tool("nbdkit", "nbdkit", "a server to compare with"),
];

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IoFailure {
    #[error("{server} gave no byte within {seconds} s")]
    NotServing { server: &'static str, seconds: u64 },
    #[error("{server} ended while it was measured, {case}")]
    Ended { server: &'static str, case: String },
    #[error("fio's result cannot be read: {0}")]
    Fio(String),
}

/// How thorough a run is.
struct Plan {
    rounds: usize,
    /// How long each server is measured in a case and a round.
    time: Duration,
    megabytes: u64,
    /// Whether to leave out sequential writes.
    short: bool,
    /// Cases whose names do not contain this are left out.
    only: String,
}

impl Plan {
    /// By itself a run of a quarter of an hour at most.
    fn parse(args: &[String]) -> Result<Plan, lexopt::Error> {
        let time = Duration::from_millis(600);
        let short = Plan { rounds: 3, time, megabytes: 512, short: true, only: String::new() };
        let mut plan = short;
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("short") => {}
                Long("long") => {
                    plan.short = false;
                    (plan.rounds, plan.time, plan.megabytes) = (5, Duration::from_secs(2), 1024);
                }
                Long("rounds") => plan.rounds = parser.value()?.parse()?,
                Long("ms") => plan.time = Duration::from_millis(parser.value()?.parse()?),
                Long("only") => plan.only = parser.value()?.string()?,
                other => return Err(other.unexpected()),
            }
        }
        Ok(plan)
    }

    /// The cases that are wanted.
    fn cases(&self, cache: Cache) -> impl Iterator<Item = &'static Case> {
        let more = if self.short { &[] } else { MORE_CASES };
        let all = CASES.iter().chain(more);
        all.filter(move |case| case.name(cache).contains(&self.only))
    }
}

/// Measures, prints, and writes `target/bench/io.json` and the drawings.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let plan = Plan::parse(args)?;
    setup::packages(TOOLS)?;
    dmctl::build()?;
    let ground = Ground::prepare(plan.megabytes)?;
    let mut figures = Vec::new();
    for cache in [Cache::Pages, Cache::Direct] {
        measure(&plan, &ground, cache, &mut figures)?;
    }
    figures = report::medians(figures);
    print!("{}", report::table(&figures));
    print!("{}", goals::table(&figures));
    let target = shell::root().join("target/bench");
    fs::create_dir_all(&target).map_err(file(&target))?;
    write(&target.join("io.json"), &report::json(&figures))?;
    // What is shown to others shows all cases.
    let results = shell::root().join("benches/results");
    let results = if plan.only.is_empty() { results } else { target };
    let machine = machine::describe()?;
    let drawings = svg::drawings(&figures, &machine);
    for (name, drawing) in drawings.into_iter().chain(dots::drawings(&figures, &machine)) {
        write(&results.join(name), &drawing)?;
    }
    Ok(())
}

/// All servers, one way of caching.
fn measure(
    plan: &Plan,
    ground: &Ground,
    cache: Cache,
    figures: &mut Vec<Figure>,
) -> Result<(), Failure> {
    let able = || CONTENDERS.iter().filter(|contender| contender.can(cache));
    let mut figure = |contender: &Contender, layout, case: String, what, value| {
        let (name, ours) = (contender.name, contender.ours);
        figures.push(Figure { case, layout, name, ours, what, value });
    };
    for _ in 0..plan.rounds {
        for contender in able() {
            let server = Running::start(contender, ground, cache)?;
            let (case, time) = (cache.label().to_owned(), server.first_byte.as_nanos() as f64);
            figure(contender, contender.layouts[0], case, Quantity::FirstByte, time);
        }
    }
    let mut servers = Vec::new();
    for contender in able() {
        servers.push(Running::start(contender, ground, cache)?);
    }
    let exports = |layout| {
        let serving =
            servers.iter().filter(move |server| server.contender.layouts.contains(&layout));
        serving.map(move |server| (server, layout))
    };
    for round in 0..plan.rounds {
        for case in plan.cases(cache) {
            let exports: Vec<_> = Layout::ALL.into_iter().flat_map(exports).collect();
            if cache == Cache::Pages {
                ground.warm()?;
            }
            // Nobody comes first in every round.
            for turn in 0..exports.len() {
                let (server, layout) = exports[(turn + round) % exports.len()];
                let (contender, case_name) = (server.contender, case.name(cache));
                eprintln!("{round}: {case_name}, {}: {}", layout.label(), contender.name);
                ground.settle()?;
                let before = server.cpu_time();
                let done = Load { uri: server.uri(layout), bytes: ground.bytes, case };
                let done = done.run(plan.time)?;
                let (Some(before), Some(after)) = (before, server.cpu_time()) else {
                    let (server, case) = (contender.name, case_name);
                    return Err(IoFailure::Ended { server, case }.into());
                };
                let cpu = (after - before).as_nanos() as f64;
                let (time, requests) = (done.nanoseconds, done.requests);
                figure(contender, layout, case_name.clone(), Quantity::Time, time);
                figure(contender, layout, case_name.clone(), Quantity::Cpu, cpu / requests);
                figure(contender, layout, case_name, Quantity::Busy, cpu / (time * requests));
            }
        }
    }
    for server in &servers {
        if let Some(bytes) = server.peak_memory() {
            let (contender, case) = (server.contender, cache.label().to_owned());
            figure(contender, contender.layouts[0], case, Quantity::Memory, bytes);
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    eprintln!("writing {}", path.display());
    fs::write(path, text).map_err(file(path))
}

fn file(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::File { path: path.to_owned(), source }
}
