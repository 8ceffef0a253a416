//! A test of the checker: each of these bugs must be found.

use std::sync::Arc;

use dm_core::Registry;
use dm_core::targets::Linear;
use dm_sim::{Failure, Plan, scenarios, shrink};

mod buggy;

use buggy::{Bug, Buggy};

/// So many seeds there are to find a bug in.
const SEEDS: u64 = 1000;

fn plan(bug: Bug, seed: u64) -> Plan {
    let mut registry = Registry::new();
    registry.register(Linear).unwrap();
    registry.register(Buggy(bug)).unwrap();
    Plan { registry: Arc::new(registry), ..scenarios::mirror(seed) }
}

/// The seed that finds the bug, and what is wrong then.
fn find(bug: Bug) -> (u64, Failure) {
    let failures = (0..SEEDS).filter_map(|seed| Some((seed, plan(bug, seed).run().failure?)));
    let found = failures.into_iter().next();
    let (seed, failure) = found.unwrap_or_else(|| panic!("{bug:?} is not found in {SEEDS} seeds"));
    println!("{bug:?}: found by seed {seed}: {failure}");
    (seed, failure)
}

fn is_about_data(failure: &Failure) -> bool {
    use Failure::{CopiesDiffer, Copy, Read};
    matches!(failure, Read { .. } | Copy { .. } | CopiesDiffer { .. })
}

#[test]
fn without_a_bug_nothing_is_found() {
    for seed in 0..200 {
        assert_eq!(plan(Bug::None, seed).run().failure, None, "seed {seed}");
    }
}

#[test]
fn bugs_that_lose_data_are_found() {
    for bug in [
        Bug::DataBeforeMark,
        Bug::ClearedUnflushed,
        Bug::ReadElsewhere,
        Bug::NotHeldBack,
        Bug::FailureIgnored,
        Bug::LogUnflushed,
        Bug::FuaForgotten,
        Bug::NotCopied,
        Bug::FlushSkipped,
    ] {
        let (_, failure) = find(bug);
        assert!(is_about_data(&failure), "{bug:?}: {failure}");
    }
}

#[test]
fn a_completion_that_is_lost_is_found_and_its_plan_made_small() {
    let (seed, failure) = find(Bug::LostOnError);
    assert!(matches!(failure, Failure::Lost { .. } | Failure::NotDrained { .. }), "{failure}");
    let large = plan(Bug::LostOnError, seed);
    let (small, again) = shrink(&large).unwrap();
    assert_eq!(std::mem::discriminant(&failure), std::mem::discriminant(&again));
    let size = |plan: &Plan| plan.requests.len() + plan.controls.len();
    assert!(size(&small) <= 3 && size(&large) > 10, "{} to {}", size(&large), size(&small));
    assert_eq!(small.run().failure, Some(again));
}
