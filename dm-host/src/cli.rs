//! The command line of `dmctl`.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::control::Client;
use crate::daemon::RuntimeDir;

mod args;
mod change;
mod check;
mod create;
mod diagnostics;
mod draw;
mod export;
mod failure;
mod list;
mod log;
mod mover;
mod output;
mod quickstart;
mod report;
mod serve;
mod source;
mod top;
mod tree;
mod wait;

use args::{Args, Mount, Verb};
use failure::Failure;

/// Runs `dmctl` with the arguments of this process.
///
/// Returns 0 if it did what it was asked, 1 if not; it exits with 2 if the arguments make no sense.
pub fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let dir = RuntimeDir::locate(args.dir);
    let connect = || Ok::<Client, Failure>(Client::connect(&dir)?);
    match &args.verb {
        Verb::Serve(serve) => serve::run(dir.clone(), None, None, serve),
        Verb::Mount(Mount { mountpoint, record, serve }) => {
            serve::run(dir.clone(), Some(mountpoint.clone()), record.clone(), serve)
        }
        Verb::Quickstart(quickstart) => quickstart::run(quickstart),
        Verb::Check(check) => check::run(&dir, check),
        Verb::Create(create) => create::create(&mut connect()?, create),
        Verb::Load(load) => create::load(&mut connect()?, load),
        Verb::Clear(names) => change::each(&mut connect()?, "clear", names),
        Verb::Suspend(names) => change::each(&mut connect()?, "suspend", names),
        Verb::Resume(names) => change::each(&mut connect()?, "resume", names),
        Verb::Remove(names) => change::each(&mut connect()?, "remove", names),
        Verb::Rename(rename) => change::rename(&mut connect()?, rename),
        Verb::Table(table) => report::table(&mut connect()?, table),
        Verb::Status(report) => report::status(&mut connect()?, report),
        Verb::Top(top) => top::run(&mut connect()?, top),
        Verb::Metrics => output::print(&connect()?.ask("metrics")?),
        Verb::Info(report) => report::info(&mut connect()?, report),
        Verb::Ls(ls) => list::ls(&mut connect()?, ls),
        Verb::Targets(targets) => list::targets(&dir, targets),
        Verb::Deps(report) => report::deps(&mut connect()?, report),
        Verb::Export(export) => export::export(&mut connect()?, export),
        Verb::Unexport(unexport) => export::unexport(&mut connect()?, unexport),
        Verb::Message(message) => change::message(&mut connect()?, message),
        Verb::Wait(wait) => wait::run(&mut connect()?, wait),
        Verb::Move(args) => mover::run(&dir, args),
        Verb::Draw(draw) => draw::run(&dir, draw),
        Verb::Completions(completions) => {
            let mut command = Args::command();
            let mut script = Vec::new();
            clap_complete::generate(completions.shell, &mut command, "dmctl", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
    }
}
