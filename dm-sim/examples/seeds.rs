//! Runs the scenarios of the built-in target types for many seeds: what `cargo xtask sim` starts.
//!
//! `cargo run --release -p dm-sim --example seeds -- <first seed> <how many> <threads>`

use std::process::ExitCode;
use std::time::Instant;

use dm_sim::{campaign, scenarios};

fn main() -> ExitCode {
    let numbers: Option<Vec<u64>> = std::env::args().skip(1).map(|n| n.parse().ok()).collect();
    let Some([first, count, threads]) = numbers.as_deref() else {
        eprintln!("usage: seeds <first seed> <how many> <threads>");
        return ExitCode::FAILURE;
    };
    // A panic is reported with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let begin = Instant::now();
    let progress = |done: u64| {
        if done % 1024 < 16 && done < *count {
            eprint!("\r{done} of {count} seeds, {:.0} s ", begin.elapsed().as_secs_f64());
        }
    };
    let seeds = *first..first.saturating_add(*count);
    let report = campaign(seeds, *threads as usize, &scenarios::any, &progress);
    let took = begin.elapsed().as_secs_f64();
    let rate = report.tally.steps as f64 / took;
    eprintln!("\r{} of {count} seeds, {took:.1} s, {rate:.0} steps a second", report.good);
    println!("{}", report.tally);
    match report.found {
        None => ExitCode::SUCCESS,
        Some(found) => {
            println!("\n{found}");
            ExitCode::FAILURE
        }
    }
}
