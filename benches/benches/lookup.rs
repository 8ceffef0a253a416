//! Finding the line of a sector: ours against everybody else, in one run on the same queries.
//!
//! Prints tables, draws curves into `benches/results`, and writes `target/bench/lookup.json`.
//! `--quick` measures fewer rounds and draws nothing; a word chooses the cases that contain it.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use dm_benches::field::{Entry, field};
use dm_benches::measure::{Order, check, measure, measure_each};
use dm_benches::report::{Figure, json, table};
use dm_benches::trace::{Op, Trace};
use dm_benches::workload::{ends, random_queries, sequential_queries, uneven_ends};
use dm_benches::{goals, parse, svg};

const SIZES: &[usize] = &[1, 4, 16, 64, 1000, 10_000, 100_000, 1_000_000];

struct Options {
    quick: bool,
    only: Option<String>,
}

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let options = Options {
        quick: words.iter().any(|word| word == "--quick"),
        only: words.into_iter().find(|word| !word.starts_with('-')),
    };
    let mut figures = Vec::new();
    for case in ["random", "dependent", "sequential"] {
        synthetic(case, SIZES, |targets| ends(targets, 500), &options, &mut figures);
    }
    // The longest of these lines have 2 GiB: a table of some 2,000 ends past sector 2^32.
    let long = |targets| ends(targets, 500_000);
    synthetic("random, past 2^32", &SIZES[4..], long, &options, &mut figures);
    // No buckets for these: what is searched is the tree.
    synthetic("random, uneven", &SIZES[2..], uneven_ends, &options, &mut figures);
    synthetic("dependent, uneven", &SIZES[2..], uneven_ends, &options, &mut figures);
    traces(&options, &mut figures)?;
    parsing(&options, &mut figures);
    println!("{}", goals::table(&figures));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    fs::create_dir_all(target.join("bench"))?;
    fs::write(target.join("bench/lookup.json"), json(&figures))?;
    if !options.quick && options.only.is_none() {
        draw(&root.join("benches/results"), &figures)?;
    }
    Ok(())
}

fn wanted(case: &str, options: &Options) -> bool {
    options.only.as_ref().is_none_or(|only| case.contains(only.as_str()))
}

/// A case at each size.
fn synthetic(
    case: &str,
    sizes: &[usize],
    table: impl Fn(usize) -> Vec<u64>,
    options: &Options,
    figures: &mut Vec<Figure>,
) {
    if !wanted(case, options) {
        return;
    }
    for &targets in sizes {
        let ends = table(targets);
        let last = ends[targets - 1];
        // A pass that brings the whole table into the caches, and one that is timed.
        let count = if targets > 100_000 { 1 << 19 } else { 1 << 17 };
        let queries = match case {
            "sequential" => sequential_queries(last, count),
            _ => random_queries(last, count),
        };
        let order =
            if case.starts_with("dependent") { Order::Dependent } else { Order::Independent };
        run(case, &ends, &queries, order, options, figures);
    }
    println!("{}", dm_benches::report::table(case, figures));
}

/// Each trace that has been recorded: a query for each request but flushes.
fn traces(options: &Options, figures: &mut Vec<Figure>) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "trace"));
    paths.sort();
    if paths.is_empty() {
        println!("No traces in benches/traces: not measured on any.\n");
    }
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let case = format!("trace {name}");
        if !wanted(&case, options) {
            continue;
        }
        let trace = Trace::read(&fs::read(&path)?).map_err(io::Error::other)?;
        let ends = trace.ends();
        let requests = trace.requests.iter().filter(|request| request.op != Op::Flush);
        let queries: Vec<u64> = requests.map(|request| request.sector).collect();
        println!("{name}: {}, {} requests", trace.what, queries.len());
        run(&case, &ends, &queries, Order::Independent, options, figures);
        println!("{}", table(&case, figures));
    }
    Ok(())
}

fn run(
    case: &str,
    ends: &[u64],
    queries: &[u64],
    order: Order,
    options: &Options,
    figures: &mut Vec<Figure>,
) {
    let mut entries = field(ends);
    if order == Order::Dependent {
        entries.retain(|entry| !entry.batch);
    }
    check(&entries, ends, queries);
    let entries: Vec<&Entry> = entries.iter().collect();
    let times = measure(&entries, order, queries, if options.quick { 3 } else { 11 });
    figures.extend(entries.iter().zip(times).map(|(entry, ns)| Figure {
        case: case.into(),
        targets: ends.len(),
        name: entry.name.clone(),
        ours: entry.ours,
        ns,
    }));
}

/// Parsing a table of a million lines, without building anything.
fn parsing(options: &Options, figures: &mut Vec<Figure>) {
    if !wanted("parse", options) {
        return;
    }
    let lines = 1_000_000;
    let text = parse::table(lines);
    assert_eq!(parse::ours(&text), parse::theirs(&text));
    let rounds = if options.quick { 3 } else { 11 };
    let times = measure_each(&[&|| parse::theirs(&text), &|| parse::ours(&text)], rounds);
    let names = [("sscanf, C", false), ("dm-table", true)];
    for ((name, ours), ns) in names.into_iter().zip(times) {
        let ns = ns / lines as f64;
        println!("parse, {lines} lines: {name}: {ns:.1} ns a line");
        figures.push(Figure { case: "parse".into(), targets: lines, name: name.into(), ours, ns });
    }
    println!();
}

fn draw(folder: &Path, figures: &[Figure]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (case, file, title) in [
        ("random", "lookup-random.svg", "Random queries, each on its own"),
        ("dependent", "lookup-dependent.svg", "Random queries, each waiting for the answer before"),
        ("sequential", "lookup-sequential.svg", "Queries in order"),
    ] {
        fs::write(folder.join(file), svg::curves(case, title, figures))?;
    }
    Ok(())
}
