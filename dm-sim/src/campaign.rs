//! Many runs, one for each seed.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

use crate::{Failure, Plan, Tally, shrink};

/// What came of many runs.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many runs went well.
    pub good: u64,
    /// How much happened in all of them.
    pub tally: Tally,
    /// The first seed that failed, if one did. When it was found, the others were given up.
    pub found: Option<Found>,
}

/// A run that failed.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its seed.
    pub seed: u64,
    /// What went wrong.
    pub failure: Failure,
    /// A smaller plan that goes wrong in the same way.
    pub shrunk: Plan,
    /// What happens when that one runs, step by step.
    pub trace: Vec<String>,
}

/// How many seeds a thread takes at a time.
const BATCH: u64 = 16;

/// Runs the plan of each seed, in several threads, and stops at the first that fails.
///
/// Each run by itself happens in one thread, and does not depend on how many there are.
/// `progress` is called now and then with how many seeds are done.
pub fn campaign(
    seeds: Range<u64>,
    threads: usize,
    plan: &(dyn Fn(u64) -> Plan + Sync),
    progress: &(dyn Fn(u64) + Sync),
) -> Report {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let sum = Mutex::new(Sum::default());
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= seeds.end {
                return;
            }
            let mut part = Sum::default();
            for seed in first..(first + BATCH).min(seeds.end) {
                let outcome = plan(seed).run();
                part.tally.add(&outcome.tally);
                if let Some(failure) = outcome.failure {
                    stop.store(true, Ordering::Relaxed);
                    part.failed = Some((seed, failure));
                    break;
                }
                part.good += 1;
            }
            progress(sum.lock().add(part));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let Sum { good, tally, failed } = sum.into_inner();
    Report { good, tally, found: failed.map(|(seed, failure)| Found::new(seed, failure, plan)) }
}

#[derive(Default)]
struct Sum {
    good: u64,
    tally: Tally,
    failed: Option<(u64, Failure)>,
}

impl Sum {
    fn add(&mut self, part: Sum) -> u64 {
        self.good += part.good;
        self.tally.add(&part.tally);
        let before = |seed: u64| self.failed.as_ref().is_none_or(|(other, _)| seed < *other);
        if part.failed.as_ref().is_some_and(|(seed, _)| before(*seed)) {
            self.failed = part.failed;
        }
        self.good
    }
}

impl Found {
    fn new(seed: u64, failure: Failure, plan: &dyn Fn(u64) -> Plan) -> Found {
        let plan = plan(seed);
        let shrunk = shrink(&plan).map_or(plan, |(shrunk, _)| shrunk);
        let trace = shrunk.run_traced().trace;
        Found { seed, failure, shrunk, trace }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { seed, failure, shrunk, trace } = self;
        writeln!(f, "seed {seed} fails: {failure}")?;
        writeln!(f, "scenario {}, table:\n{}", shrunk.name, shrunk.layout.table)?;
        writeln!(
            f,
            "shrunk to {} requests, {} of them at once, and {} other events:",
            shrunk.requests.len(),
            shrunk.in_flight,
            shrunk.controls.len()
        )?;
        for line in trace {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
