//! Runs the fuzz targets, one after the other, and prints how far each came.
//!
//! It builds them as `cargo fuzz` does, with libFuzzer and AddressSanitizer, but needs neither that
//! program nor a nightly compiler.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use lexopt::prelude::*;

use crate::failure::Failure;
use crate::shell;

/// What to fuzz (everything, when no target is named), and for how many seconds each.
pub(crate) struct Chore {
    pub(crate) only: Vec<String>,
    pub(crate) seconds: u64,
}

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What makes a program tell libFuzzer where it has been.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Zsanitizer=address",
];

pub(crate) fn parse(mut args: lexopt::Parser) -> Result<Chore, Failure> {
    let mut chore = Chore { only: Vec::new(), seconds: 60 };
    while let Some(arg) = args.next()? {
        match arg {
            Long("only") => {
                chore.only.extend(args.value()?.string()?.split(',').map(str::to_owned));
            }
            Long("seconds") => chore.seconds = args.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(chore)
}

/// Fuzzes for that long each, and prints a line for each: what it reached, and how.
pub(crate) fn run(chore: &Chore) -> Result<(), Failure> {
    let built = shell::scratch().join("fuzz");
    let targets = targets()?;
    if let Some(unknown) = chore.only.iter().find(|name| !targets.contains(name)) {
        return Err(lexopt::Error::from(format!("there is no fuzz target `{unknown}`")).into());
    }
    let mut cargo = shell::cargo(&["build", "--package", "dm-fuzz", "--bins"]);
    cargo.args(["--profile", "fuzz", "--target", TARGET, "--target-dir"]).arg(&built);
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS.join(" "));
    shell::run(&mut cargo)?;
    let mut table = format!(
        "{:<10}{:>12}{:>9}{:>9}{:>10}\n",
        "target", "executions", "edges", "of", "features"
    );
    let chosen = targets.iter().filter(|name| chore.only.is_empty() || chore.only.contains(name));
    let fuzzed = chosen.into_iter().try_for_each(|name| {
        let program = built.join(TARGET).join("fuzz").join(name);
        let Reached { executions, edges, of, features } = fuzz(&program, name, chore.seconds)?;
        table += &format!("{name:<10}{executions:>12}{edges:>9}{of:>9}{features:>10}\n");
        Ok(())
    });
    println!("{table}");
    fuzzed
}

/// The targets that there are, by their programs.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = shell::root().join("fuzz/fuzz_targets");
    let failed = |source| Failure::File { path: folder.clone(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// What libFuzzer says of a run.
#[derive(Debug, Default, Eq, PartialEq)]
struct Reached {
    executions: u64,
    /// Edges of the program that were taken.
    edges: u64,
    /// Edges that it has, with those of everything it is linked with.
    of: u64,
    /// Edges by how often they were taken, and values that were compared.
    features: u64,
}

fn fuzz(program: &Path, name: &str, seconds: u64) -> Result<Reached, Failure> {
    let fuzz = shell::root().join("fuzz");
    let grown = shell::scratch().join("corpus").join(name);
    let crashes = fuzz.join("artifacts").join(name);
    for folder in [&grown, &crashes] {
        fs::create_dir_all(folder)
            .map_err(|source| Failure::File { path: folder.clone(), source })?;
    }
    let mut command = shell::command(program, &["-print_final_stats=1", "-timeout=60"]);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/", crashes.display()));
    let words = fuzz.join(format!("dictionaries/{name}.dict"));
    if words.is_file() {
        command.arg(format!("-dict={}", words.display()));
    }
    // The first is where new inputs go.
    command.arg(&grown).args(Some(fuzz.join("corpus").join(name)).filter(|path| path.is_dir()));
    let shown = shell::words(&command);
    eprintln!("$ {shown}");
    let start = |source| Failure::Start { command: shown.clone(), source };
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(start)?;
    let mut reached = Reached::default();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Its progress is too much to show; what it says of a crash is not.
            if !reached.read(&line) {
                eprintln!("{line}");
            }
        }
    }
    let status = child.wait().map_err(start)?;
    if status.success() {
        return Ok(reached);
    }
    Err(Failure::Exit { command: shown, status })
}

impl Reached {
    /// Takes up a line of libFuzzer's; `false` if it is none about progress.
    fn read(&mut self, line: &str) -> bool {
        if let Some(executions) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = executions.trim().parse().unwrap_or_default();
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            match pair {
                ["cov:", edges] => self.edges = edges.parse().unwrap_or_default(),
                ["ft:", features] => self.features = features.parse().unwrap_or_default(),
                [edges, "inline"] => {
                    self.of = edges.trim_start_matches('(').parse().unwrap_or_default();
                }
                _ => {}
            }
        }
        line.starts_with('#') || line.starts_with("stat::") || line.starts_with("INFO:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_reached_is_read_from_what_it_says() {
        let mut reached = Reached::default();
        assert!(
            reached.read("#524288\tpulse  cov: 412 ft: 1870 corp: 345/16Kb lim: 178 exec/s: 9")
        );
        assert!(
            reached
                .read("INFO: Loaded 1 modules   (61234 inline 8-bit counters): 61234 [0x5, 0x6)")
        );
        assert!(reached.read("stat::number_of_executed_units: 598765"));
        assert!(!reached.read("==7== ERROR: libFuzzer: deadly signal"));
        assert_eq!(
            reached,
            Reached { executions: 598_765, edges: 412, of: 61_234, features: 1870 }
        );
    }

    #[test]
    fn the_targets_are_there() {
        assert!(targets().unwrap().contains(&"table".to_owned()));
    }
}
