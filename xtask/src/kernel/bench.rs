//! What a request costs through the module, against Linux's own device mapper in the same guest.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::kernel::guest::{self, Clock};
use crate::kernel::packages;
use crate::shell;

/// What is measured, and by which clocks.
const RUNS: &[(&str, Clock, &str)] = &[
    ("bench.sh", Clock::Instructions, ", instructions"),
    ("bench.sh", Clock::Real, ""),
    ("bonnie.sh", Clock::Instructions, ", instructions"),
];
const SECONDS: u32 = 1800;

/// Measures, prints, and writes `target/bench/kernel.json`.
pub(crate) fn run(kernel: Option<&str>) -> Result<(), Failure> {
    guest::install()?;
    let kernel = packages::provide(kernel)?;
    let mut rows = Vec::new();
    for (script, clock, unit) in RUNS {
        let log = guest::run(&kernel, script, "", *clock, SECONDS)?;
        let text = fs::read_to_string(&log).map_err(file(&log))?;
        rows.extend(parse(&text).map(|row| Row { case: row.case + unit, ..row }));
    }
    println!("added to a request: instructions, or ns (medians; ratio: stock's over ours)");
    for row in &rows {
        println!(
            "{:32} {:5} lines: bare {:6.0}, stock +{:5.0}, ours +{:5.0}, ratio {:.2}",
            row.case,
            row.targets,
            row.bare,
            row.stock,
            row.ours,
            row.stock / row.ours
        );
    }
    let path = shell::root().join("target/bench/kernel.json");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(file(folder))?;
    }
    fs::write(&path, json(&rows)).map_err(file(&path))
}

/// A case at one size. What is added is the median through a mapped device, less the bare one's.
struct Row {
    case: String,
    targets: u32,
    /// Nanoseconds a request without a mapped device, if that was measured; the others are what a
    /// mapped device adds.
    bare: f64,
    stock: f64,
    ours: f64,
}

/// From lines `FIGURE <case> <targets> <who> <ns>`.
fn parse(log: &str) -> impl Iterator<Item = Row> {
    let mut figures: BTreeMap<(&str, u32), BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for line in log.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["FIGURE", case, targets, who, ns] = words[..]
            && let (Ok(targets), Ok(ns)) = (targets.parse(), ns.parse())
        {
            figures.entry((case, targets)).or_default().entry(who).or_default().push(ns);
        }
    }
    let row = |((case, targets), mut times): ((&str, u32), BTreeMap<&str, Vec<f64>>)| {
        // Where nothing is measured without a mapped device, all is.
        let bare = times.get_mut("bare").map_or(0.0, |times| median(times));
        let stock = median(times.get_mut("stock")?) - bare;
        let ours = median(times.get_mut("ours")?) - bare;
        Some(Row { case: case.to_owned(), targets, bare, stock, ours })
    };
    figures.into_iter().filter_map(row)
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn json(rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| {
        format!(
            "  {{\"case\": {:?}, \"targets\": {}, \"ours\": \"dmrs, added\", \"ours_ns\": {:.3}, \
             \"peer\": \"Linux dm, added\", \"peer_ns\": {:.3}, \"ratio\": {:.3}}}",
            row.case,
            row.targets,
            row.ours,
            row.stock,
            row.stock / row.ours
        )
    });
    format!("[\n{}\n]\n", rows.collect::<Vec<_>>().join(",\n"))
}

fn file(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
