//! The steps of `cargo xtask test`.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::{bare_metal, fuzz, kernel, setup, shell};

/// One check: passes, or says why not.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    run: fn() -> Result<(), Failure>,
}

/// Every step, in the order they run: what fails sooner comes first.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "setup",
        what: "install what the other steps need and the system lacks",
        run: setup::run,
    },
    Step {
        name: "fmt",
        what: "the source is formatted",
        run: || cargo(&["fmt", "--all", "--check"]),
    },
    Step {
        name: "clippy",
        what: "no warning in any target of any crate",
        run: || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Step { name: "doc", what: "the documentation builds without a warning", run: doc },
    Step {
        name: "test",
        what: "unit, property and integration tests; the examples build",
        run: || cargo(&["test", "--workspace", "--lib", "--bins", "--tests", "--examples"]),
    },
    Step {
        name: "doctest",
        what: "the examples in the documentation",
        run: || cargo(&["test", "--workspace", "--doc"]),
    },
    Step {
        name: "icount",
        what: "lookups and requests take no more instructions than recorded",
        run: || cargo(&["run", "--release", "--package", "dm-benches", "--bin", "icount"]),
    },
    Step {
        name: "bare-metal",
        what: "the no_std crates build where there is no operating system",
        run: bare_metal::run,
    },
    Step { name: "loom", what: "gate and Arc hold in every order of their threads", run: loom },
    Step { name: "races", what: "the mapper holds in many orders of its threads", run: races },
    Step {
        name: "fuzz",
        what: "the fuzz targets find nothing in a few seconds each",
        run: || fuzz::run(&fuzz::Chore { only: Vec::new(), seconds: 3 }),
    },
    Step {
        name: "kernel",
        what: "the Linux module is built, and tried in a virtual machine",
        run: || kernel::test(None, false),
    },
];

/// Runs these steps (all of them, when none is named) and prints how each went.
pub(crate) fn run(only: &[&'static Step], keep_going: bool) -> Result<(), Failure> {
    let chosen: Vec<&Step> = if only.is_empty() { STEPS.iter().collect() } else { only.to_vec() };
    let begin = Instant::now();
    let mut summary = Vec::new();
    let mut failed = Vec::new();
    for step in chosen {
        if !failed.is_empty() && !keep_going {
            summary.push(format!("  not run  {}", step.name));
            continue;
        }
        eprintln!("\n== {}: {}", step.name, step.what);
        let start = Instant::now();
        let result = (step.run)();
        let took = seconds(start.elapsed());
        match result {
            Ok(()) => {
                eprintln!("== {}: ok, {took}", step.name);
                summary.push(format!("  ok       {:<12}{took:>9}", step.name));
            }
            Err(failure) => {
                eprintln!("== {}: FAILED, {took}: {failure}", step.name);
                summary.push(format!("  FAILED   {:<12}{took:>9}", step.name));
                failed.push(step.name);
            }
        }
    }
    eprintln!("\n== summary\n{}", summary.join("\n"));
    eprintln!("  total    {:<12}{:>9}", "", seconds(begin.elapsed()));
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Steps(failed.join(", ")))
}

fn cargo(args: &[&str]) -> Result<(), Failure> {
    shell::run(&mut shell::cargo(args))
}

fn loom() -> Result<(), Failure> {
    let mut cargo = shell::cargo(&["test", "--package", "dm-sync", "--lib", "interleavings"]);
    // Elsewhere, so that what is built without the flag stays.
    cargo.arg("--target-dir").arg(shell::scratch().join("loom"));
    shell::run(cargo.env("RUSTFLAGS", "--cfg=loom"))
}

fn races() -> Result<(), Failure> {
    let mut cargo = shell::cargo(&["test", "--package", "dm-core", "--test", "races"]);
    // Elsewhere, so that what is built without the flag stays.
    cargo.arg("--target-dir").arg(shell::scratch().join("races"));
    shell::run(cargo.env("RUSTFLAGS", "--cfg=shuttle"))
}

fn doc() -> Result<(), Failure> {
    let mut cargo = shell::cargo(&["doc", "--workspace", "--no-deps"]);
    shell::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
