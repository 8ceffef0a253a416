//! The command line of `dmctl`.

use std::process::ExitCode;

use clap::Parser;

mod args;
mod diagnostics;
mod draw;
mod failure;
mod source;

use args::{Args, Verb};
use failure::Failure;

/// Runs `dmctl` with the arguments of this process. Returns 0 if it did what it was asked, 1 if not,
/// and 2 if the arguments make no sense.
pub fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    match args.verb {
        Verb::Draw(draw) => draw::run(&draw),
        _ => todo!(),
    }
}
