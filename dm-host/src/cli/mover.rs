//! `move`: lines of a device go to another disk while the device is in use.
//!
//! What LVM's pvmove does. Line by line, the table gets a mirror over source and destination in the
//! place of the line; when both are in sync, the destination alone. The daemon does each exchange in
//! one step (`control/switch.rs`): it suspends the device, looks whether the table and the mirror are
//! as they must be, writes the record where there is something to write, and resumes. Everything else
//! is done here, by a client that may die.
//!
//! # Whoever dies, and when
//!
//! The record (`mover/record.rs`) is replaced as a whole and is on disk before what it allows takes
//! place. It has the tables `before`, `during` and `after` the line that is being moved, and a step:
//! which of them is right if the device has to be created again. A dead client leaves the daemon's
//! live table as it is, and it works; a dead daemon leaves the record, by which `--resume` and
//! `--abort` create the device again.
//!
//! | dead at | the record says | live table, if the daemon lives | created again with |
//! |---|---|---|---|
//! | before there is a record | nothing | `before` | - |
//! | the record is new | `copying` | `before` | `before`: nothing was copied |
//! | the mirror copies, or is in sync | `copying` | `during` | `before`: each write goes to the source too, and is acknowledged when it is there |
//! | the device is suspended for the last exchange, the record not yet written | `copying` | `after`: the daemon ends the exchange by itself | `before`: both legs are flushed and equal |
//! | the record is written, the destination alone not yet bound | `moved` | `after`, the same | `after`: both legs are flushed and equal, and nothing was written since |
//! | the destination alone is bound | `moved` | `after` | `after`: it has what was written since |
//! | the next line is recorded | `copying`, one line more is done | `before` of that line | `before` of that line |
//! | the record is removed | nothing | the last `after` | - |
//!
//! A client that takes over (only one at a time holds the lock beside the record) may come before the
//! daemon has done what the dead one asked for last. So it first takes its turn: the daemon ends an
//! exchange that it has begun, and from then on refuses those of earlier turns. Record and table are
//! looked at after that, and change no more unless whoever looks changes them.
//!
//! If the record cannot be written, the exchange is not made: the mirror goes on, with both legs
//! equal, so that it does not matter which of two records is found after a crash.
//!
//! # What fails, and when
//!
//! If the destination fails, or the source cannot be read, the move ends with the source alone. If a
//! write to the source fails, the mirror stays: where both were in sync already, only the
//! destination has that write. The record then says `source-failed`, and nothing is created by it; as
//! long as the daemon lives, `--resume` tries again. Only if the daemon dies between such a write and
//! the record of it, moments later, is the source taken for whole.

use std::path::PathBuf;

use super::args::Move;
use super::change::{name_word, of};
use super::failure::Failure;
use super::output::print;
use super::report::infos;
use crate::control::{Client, ClientError, DeviceInfo};
use crate::daemon::RuntimeDir;

mod destination;
mod error;
mod identity;
mod plan;
mod progress;
mod record;
mod work;

pub(super) use error::MoveError;
use identity::{Identity, resolve};
use plan::Choice;
use record::{Keeper, Record, Step};
use work::Mover;

pub(super) fn run(dir: &RuntimeDir, args: &Move) -> Result<(), Failure> {
    let name = name_word(&args.name)?;
    let mut client = Client::connect(dir)?;
    let folder = args.state.clone().unwrap_or_else(|| dir.path().to_owned());
    let keeper = Keeper::lock(&folder, name)?;
    let path = || keeper.path.clone();
    let no_record = || MoveError::NoRecord { name: args.name.clone(), record: path() };
    let planned = match (keeper.load()?, &args.to) {
        (None, Some(to)) => Some(plan(&mut client, args, to)?),
        (None, None) => return Err(no_record().into()),
        (Some(_), Some(_)) => {
            return Err(MoveError::Unfinished { name: args.name.clone(), record: path() }.into());
        }
        (Some(record), None) => {
            create_again(&mut client, &record, path())?;
            None
        }
    };
    let turn = work::take_turn(&mut client, name)?;
    let record = match planned {
        Some(record) => record,
        // The daemon may have replaced it until now, for a client that is dead.
        None => keeper.load()?.ok_or_else(no_record)?,
    };
    let mut mover = Mover::new(dir, &mut client, &keeper, record, turn, args.output.json)?;
    if args.abort {
        return abort(&mut mover);
    }
    mover.record.limit = args.limit.unwrap_or(mover.record.limit);
    keeper.save(&mover.record)?;
    mover.progress.recorded(&keeper.path.display().to_string())?;
    mover.run()
}

/// What is to be moved, if it can be.
fn plan(client: &mut Client, args: &Move, to: &str) -> Result<Record, Failure> {
    let devices = infos(client, &[])?;
    let info = match devices.iter().find(|info| info.name == args.name) {
        Some(info) => info,
        None => return Err(Failure::Said(format!("there is no device `{}`", args.name))),
    };
    if info.table.as_ref().ok_or(MoveError::NoTable)?.readonly {
        return Err(MoveError::ReadOnly.into());
    }
    let table = client.read(&format!("{}/table", args.name)).map_err(of(&args.name))?;
    let is_mapped = |name: &str| devices.iter().any(|device| device.name == name);
    let choice = match (&args.lines, &args.from) {
        (Some(lines), _) => Choice::parse(lines)?,
        (None, Some(from)) => Choice::From(Identity::of(&resolve(from, is_mapped))),
        (None, None) => Choice::All,
    };
    let to = destination::parse(to, &devices);
    if to.device == args.name {
        return Err(MoveError::Destination("a device cannot lie on itself".into()).into());
    }
    let pieces = choice.pieces(&table, &to)?;
    destination::check(client, &devices, &table, &pieces)?;
    Record::new(info, table, pieces, &mut |table| destination::printed(client, table))
}

/// Creates the device of a record, with the table that is right, if the daemon has none of that name.
fn create_again(client: &mut Client, record: &Record, path: PathBuf) -> Result<(), Failure> {
    let devices: Vec<DeviceInfo> = infos(client, &[])?;
    if devices.iter().any(|info| info.name == record.device) {
        return Ok(());
    }
    let table = match (record.step, record.piece()) {
        (Step::Moved, _) => &record.tables.after,
        (Step::SourceFailed, Some(piece)) => {
            let (line, device) = (piece.line, piece.from.device.clone());
            let name = record.device.clone();
            return Err(MoveError::Doubtful { name, line, device, record: path }.into());
        }
        _ => &record.tables.before,
    };
    let name = name_word(&record.device)?;
    let (minor, uuid) = (record.minor, record.uuid.as_deref().unwrap_or("-"));
    let line = format!("create {name} rw {minor} {uuid}");
    match client.ask_with(&line, table.as_bytes()) {
        Err(ClientError::Table(refusal)) => {
            let source = super::source::Source::new(path.display().to_string(), table.as_bytes());
            super::check::show(&source, &refusal, true)
        }
        created => created.map(drop).map_err(of(name)),
    }
}

/// Gives up: the line that is being moved stays on its source.
fn abort(mover: &mut Mover<'_>) -> Result<(), Failure> {
    let live = mover.table()?;
    let Record { step, tables, .. } = &mover.record;
    if live == tables.during {
        if let Some(piece) = mover.record.piece().cloned() {
            mover.go_back(&piece)?;
        }
    } else if live == tables.before || live == tables.after && *step == Step::Moved {
        mover.keeper.remove()?;
    } else {
        return Err(mover.changed());
    }
    let moved = mover.record.done + usize::from(mover.record.step == Step::Moved);
    let table = mover.table()?;
    print(&format!("given up; lines moved: {moved}; the table from now on:\n{table}"))
}
