//! The project's chores, run as `cargo xtask <chore>`: tests, set-up, benchmarks.
//!
//! Every command a chore runs is printed before it runs, so that it can be repeated by hand.

use std::process::ExitCode;

use cli::Chore;
use failure::Failure;

mod apt;
mod bare_metal;
mod cli;
mod coverage;
mod dmctl;
mod failure;
mod fuzz;
mod io;
mod kernel;
mod mirror;
mod rust_src;
mod sanitize;
mod setup;
mod shell;
mod sim;
mod soak;
mod steps;
mod trace;
mod vm;

fn main() -> ExitCode {
    let done = cli::parse(lexopt::Parser::from_env()).and_then(|chore| match chore {
        Chore::Help => {
            print!("{}", cli::help());
            Ok(())
        }
        Chore::Setup => setup::run(),
        Chore::Test { only, keep_going } => steps::run(&only, keep_going),
        Chore::Bench { name: Some(name), args } if name == "io" => io::run(&args),
        Chore::Bench { name: Some(name), args } if name == "mirror" => mirror::run(&args),
        Chore::Bench { name, args } => bench(name.as_deref(), &args),
        Chore::Coverage => coverage::run(),
        Chore::Fuzz(chore) => fuzz::run(&chore),
        Chore::Kernel(chore) => kernel::run(&chore),
        Chore::Sanitize(chosen) => sanitize::run(&chosen),
        Chore::Sim(seeds) => sim::run(seeds),
        Chore::Vm { kernel } => vm::run(kernel.as_deref()),
        Chore::VmUblk { kernel } => vm::ublk::run(kernel.as_deref()),
        Chore::Soak(chore) => soak::run(chore),
        Chore::RecordTraces => trace::record(),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one benchmark, or all of them; `args` go to the benchmark itself.
fn bench(name: Option<&str>, args: &[String]) -> Result<(), Failure> {
    let mut cargo = shell::cargo(&["bench", "--package", "dm-benches"]);
    match name {
        Some(name) => cargo.args(["--bench", name]),
        None => cargo.arg("--benches"),
    };
    shell::run(cargo.arg("--").args(args))
}
