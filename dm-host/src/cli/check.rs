//! `check`: what is wrong with a table.

use dm_core::{Mode, Registry};
use serde::Serialize;

use super::args::Check;
use super::diagnostics::Diagnostics;
use super::failure::Failure;
use super::output::print_json;
use super::source::Source;
use crate::control::{Client, ClientError, Refusal};
use crate::daemon::RuntimeDir;
use crate::{Diagnosis, HostOptions, UserHost};

/// What `check --json` prints.
#[derive(Serialize)]
struct Checked<'c> {
    file: &'c str,
    ok: bool,
    errors: &'c [Diagnosis],
}

/// Checks a table as the daemon would load it, or, if there is none, as one started here would.
pub(super) fn run(dir: &RuntimeDir, args: &Check) -> Result<(), Failure> {
    let source = Source::read(&args.file)?;
    let refusal = match Client::connect(dir) {
        Ok(mut client) => ask(&mut client, &source, args.readonly)?,
        Err(ClientError::NoDaemon { .. }) => check(&source, args.readonly)?,
        Err(error) => return Err(error.into()),
    };
    if args.output.json {
        print_json(&Checked {
            file: &source.name,
            ok: refusal.errors == 0,
            errors: &refusal.diagnoses,
        })?;
    }
    show(&source, &refusal, !args.output.json)
}

/// Shows what is wrong with a table, if anything is.
pub(super) fn show(source: &Source, refusal: &Refusal, in_full: bool) -> Result<(), Failure> {
    if refusal.errors == 0 {
        return Ok(());
    }
    if in_full {
        let mut diagnostics = Diagnostics::new(source);
        refusal.diagnoses.iter().for_each(|diagnosis| diagnostics.show(diagnosis));
    }
    let errors = match refusal.errors {
        1 => "1 error".to_owned(),
        n => format!("{n} errors"),
    };
    let shown = match refusal.diagnoses.len() as u64 {
        shown if shown < refusal.errors => format!(", of which the first {shown} are shown"),
        _ => String::new(),
    };
    Err(Failure::Said(format!("{}: the table has {errors}{shown}", source.name)))
}

fn ask(client: &mut Client, source: &Source, readonly: bool) -> Result<Refusal, Failure> {
    let mode = if readonly { "ro" } else { "rw" };
    match client.ask_with(&format!("check {mode}"), &source.text) {
        Ok(_) => Ok(Refusal::default()),
        Err(ClientError::Table(refusal)) => Ok(refusal),
        Err(error) => Err(error.into()),
    }
}

fn check(source: &Source, readonly: bool) -> Result<Refusal, Failure> {
    let said = |why: &dyn std::fmt::Display| Failure::Said(why.to_string());
    let registry = Registry::with_builtins().map_err(|why| said(&why))?;
    let mapper = UserHost::start(&HostOptions::default(), registry).map_err(|why| said(&why))?;
    let mode = if readonly { Mode::ReadOnly } else { Mode::ReadWrite };
    let mut all = Refusal::default();
    let mut add = |error: dm_core::LoadError<'_>| {
        all.errors += 1;
        all.diagnoses.push(Diagnosis::of(&error));
    };
    match mapper.check(&source.text, mode, &mut add) {
        Ok(_) | Err(dm_core::LoadDeviceError::Refused(_)) => Ok(all),
        Err(error) => Err(said(&error)),
    }
}
