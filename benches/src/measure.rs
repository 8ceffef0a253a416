//! Measuring in turns: everybody once a round, on the same queries; the median of the rounds.

use std::hint::black_box;
use std::time::Instant;

use crate::field::Entry;

/// How queries follow each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Each on its own.
    Independent,
    /// Each waits for the answer before.
    Dependent,
}

/// Checks each answer of each entry against a binary search of `ends`, in both kinds of loops.
pub fn check(entries: &[Entry], ends: &[u64], queries: &[u64]) {
    let expected: Vec<usize> =
        queries.iter().map(|sector| ends.partition_point(|end| end < sector)).collect();
    let sum: u64 = expected.iter().map(|n| *n as u64).sum();
    for entry in entries {
        for (sector, expected) in queries.iter().zip(&expected) {
            let found = entry.contender.find(*sector);
            assert_eq!(found, *expected, "{}: sector {sector}", entry.name);
        }
        assert_eq!(entry.contender.independent(queries), sum, "{}: sum", entry.name);
        if !entry.batch {
            assert_eq!(entry.contender.dependent(queries, 0), sum, "{}: dependent", entry.name);
        }
    }
}

/// How many queries are timed at once: few enough that most samples are over before a scheduler, or
/// whatever else disturbs the machine, comes between.
const SAMPLE: usize = 4096;

/// Nanoseconds a query, the median of the samples of all `rounds`, in the order of the entries.
///
/// In a turn an entry first answers the other half of the queries, which warms its caches.
pub fn measure(entries: &[&Entry], order: Order, queries: &[u64], rounds: usize) -> Vec<f64> {
    let (first, second) = queries.split_at(queries.len() / 2);
    let mut times = vec![Vec::new(); entries.len()];
    for round in 0..rounds {
        let (warm, timed) = if round % 2 == 0 { (first, second) } else { (second, first) };
        for (entry, times) in entries.iter().zip(&mut times) {
            run(entry, order, warm);
            for sample in timed.chunks(SAMPLE) {
                let start = Instant::now();
                run(entry, order, sample);
                times.push(start.elapsed().as_nanos() as f64 / sample.len() as f64);
            }
        }
    }
    times.into_iter().map(median).collect()
}

/// Nanoseconds that each of some tasks takes, the median of `rounds`.
pub fn measure_each(tasks: &[&dyn Fn() -> u64], rounds: usize) -> Vec<f64> {
    let mut times = vec![Vec::with_capacity(rounds); tasks.len()];
    for _ in 0..rounds {
        for (task, times) in tasks.iter().zip(&mut times) {
            let start = Instant::now();
            black_box(task());
            times.push(start.elapsed().as_nanos() as f64);
        }
    }
    times.into_iter().map(median).collect()
}

fn run(entry: &Entry, order: Order, queries: &[u64]) {
    black_box(match order {
        Order::Independent => entry.contender.independent(queries),
        Order::Dependent => entry.contender.dependent(queries, black_box(0)),
    });
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
