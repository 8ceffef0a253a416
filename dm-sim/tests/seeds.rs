//! A few seeds of each scenario; `cargo xtask sim` runs as many as one likes.

use dm_sim::{Plan, campaign, scenarios};

fn run(plan: fn(u64) -> Plan, seeds: u64) -> dm_sim::Tally {
    let report = campaign(0..seeds, 2, &plan, &|_| {});
    if let Some(found) = report.found {
        panic!("{found}");
    }
    assert_eq!(report.good, seeds);
    report.tally
}

#[test]
fn linear() {
    let tally = run(scenarios::linear, 150);
    assert!(tally.cuts > 0 && tally.disks.lost > 0 && tally.disks.errors > 0, "{tally}");
}

#[test]
fn striped() {
    let tally = run(scenarios::striped, 150);
    assert!(tally.cuts > 0 && tally.disks.torn > 0 && tally.suspends > 0, "{tally}");
}

#[test]
fn mirror() {
    let tally = run(scenarios::mirror, 200);
    assert!(tally.cuts > 0 && tally.loads > 0 && tally.disks.errors > 0, "{tally}");
}

#[test]
fn pvmove() {
    let tally = run(scenarios::pvmove, 200);
    assert!(tally.moves > 50 && tally.cuts > 0 && tally.departures > 0, "{tally}");
}

#[test]
fn the_same_seed_does_the_same_to_the_byte() {
    let mut events = 0;
    for seed in 0..60 {
        let (once, again) = (scenarios::any(seed), scenarios::any(seed));
        let (once, again) = (once.run_traced(), again.run_traced());
        assert_eq!(once.trace, again.trace, "seed {seed}");
        assert_eq!(once.tally, again.tally);
        assert_eq!(once.tally, scenarios::any(seed).run().tally, "being watched changes nothing");
        events += once.trace.len();
    }
    assert!(events > 5_000, "{events}");
    assert_ne!(scenarios::any(2).run_traced().trace, scenarios::any(12).run_traced().trace);
}
