//! What was set out to be reached, and what was.

use std::fmt::Write;
use std::ops::RangeInclusive;

use crate::report::{Figure, YARDSTICK};

/// At least `ratio` times as fast as the yardstick, at each of these sizes.
struct Goal {
    name: &'static str,
    case: &'static str,
    targets: RangeInclusive<usize>,
    ratio: f64,
}

const fn goal(
    name: &'static str,
    case: &'static str,
    targets: RangeInclusive<usize>,
    ratio: f64,
) -> Goal {
    Goal { name, case, targets, ratio }
}

const GOALS: &[Goal] = &[
    goal("Index scalar", "random", 16..=10_000, 4.0),
    goal("Index scalar", "random", 100_000..=100_000, 3.0),
    goal("Index scalar", "random", 1_000_000..=1_000_000, 1.5),
    goal("Index scalar", "dependent", 64..=100_000, 2.0),
    goal("Index scalar", "trace", 1..=usize::MAX, 1.0),
    goal("Index scalar", "trace", 4000..=4000, 1.5),
    goal("Index AVX2", "random", 16..=10_000, 6.0),
    goal("Index AVX2", "random", 1_000_000..=1_000_000, 4.0),
    goal("Index AVX2", "dependent", 64..=100_000, 2.5),
    goal("Index AVX-512", "random", 16..=10_000, 10.0),
    goal("Index AVX-512", "random", 1_000_000..=1_000_000, 5.0),
    goal("Index AVX-512", "dependent", 64..=100_000, 3.0),
    goal("Index AVX-512", "trace", 4000..=4000, 2.0),
    goal("Index AVX-512, batch", "random", 1_000_000..=1_000_000, 8.0),
];

/// dm-table's, for the parse alone, against `sscanf`.
const PARSE: f64 = 5.0;

/// A line for each goal at each size that was measured; then the other peers that were quicker.
pub fn table(figures: &[Figure]) -> String {
    let mut text = format!("Goals, in times as fast as: {YARDSTICK}\n");
    for goal in GOALS {
        let of_goal = |f: &&Figure| {
            f.name == goal.name
                && (f.case == goal.case || goal.case == "trace" && f.case.starts_with("trace"))
                && goal.targets.contains(&f.targets)
        };
        for ours in figures.iter().filter(of_goal) {
            let ratio =
                peers(ours, figures).find(|f| f.name == YARDSTICK).map_or(0.0, |f| f.ns / ours.ns);
            let verdict = if ratio >= goal.ratio { "reached" } else { "missed" };
            let _ = writeln!(
                text,
                "{:22}{:28}{:>9} targets: {ratio:5.2} of {:4.1}, {verdict}",
                ours.name, ours.case, ours.targets, goal.ratio
            );
        }
    }
    for ours in figures.iter().filter(|f| f.ours && f.case == "parse") {
        let ratio = peers(ours, figures).next().map_or(0.0, |f| f.ns / ours.ns);
        let verdict = if ratio >= PARSE { "reached" } else { "missed" };
        let _ = writeln!(text, "{:22}parse: {ratio:5.2} of {PARSE:4.1}, {verdict}", ours.name);
    }
    let index = |f: &&Figure| f.name.starts_with("Index") && !f.name.contains("batch");
    for ours in figures.iter().filter(index) {
        let others = peers(ours, figures).filter(|f| !f.name.starts_with("Linux"));
        let Some(best) = others.min_by(|a, b| a.ns.total_cmp(&b.ns)) else { continue };
        if best.ns < ours.ns {
            let _ = writeln!(
                text,
                "{:22}{:28}{:>9} targets: {:.2} ns, slower than {} with {:.2} ns",
                ours.name, ours.case, ours.targets, ours.ns, best.name, best.ns
            );
        }
    }
    text
}

/// The peers in the same case, at the same size.
fn peers<'f>(ours: &'f Figure, figures: &'f [Figure]) -> impl Iterator<Item = &'f Figure> {
    figures.iter().filter(move |f| !f.ours && f.case == ours.case && f.targets == ours.targets)
}
