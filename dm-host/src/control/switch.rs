//! Changing a table in one step, if it is still the one that whoever asks believes it to be.

use std::collections::HashMap;
use std::path::PathBuf;

use dm_core::table_text::{Args, Position};
use dm_core::{Change, MappedDevice, Sector, State, Table};
use dm_proc_shim::Errno;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::answer::{Refusal, Refused};
use super::queries::{caused_by, refused, table_text};
use crate::host::Fence;
use crate::mirror_status::{LegStatus, MirrorStatus};
use crate::{Mapper, UserHost, durable};

/// What is asked for. As JSON its keys are those of the fields.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Switch {
    /// Whose turn it is, as the request `turn` said.
    pub(crate) turn: u64,
    /// The table that must be live, as the device prints it.
    pub(crate) from: String,
    /// The table that takes its place.
    pub(crate) to: String,
    /// A message that the target at a sector of the new table gets before any request does.
    pub(crate) message: Option<(u64, String)>,
    /// What must be true, and written down, before requests go through the new table.
    pub(crate) with: Option<Proof>,
}

/// What a switch away from a mirror waits for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Proof {
    /// The first sector of the mirror.
    pub(crate) mirror: u64,
    /// What must be true of its legs once the device is suspended and they are flushed.
    pub(crate) legs: Legs,
    /// A file that then is replaced, durably, and the text of it.
    pub(crate) record: Option<(PathBuf, String)>,
}

/// What must be true of the legs of a mirror.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Legs {
    /// All hold the same, and none has failed.
    Equal,
    /// The first has taken every write.
    FirstComplete,
}

impl Legs {
    fn hold(self, mirror: &MirrorStatus) -> bool {
        match self {
            Legs::Equal => mirror.is_in_sync() && mirror.is_healthy(),
            Legs::FirstComplete => mirror.legs.first().is_some_and(LegStatus::is_complete),
        }
    }
}

/// Whose turn it is to switch each device, by its minor. It is locked for as long as a switch takes, so
/// that each sees what it looked at.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<u32, u64>>);

impl Turns {
    /// From now on only switches with this number are made: what somebody else has asked for, who may be
    /// dead, is either over or refused.
    pub(super) fn take(&self, device: &MappedDevice<UserHost>) -> u64 {
        let mut turns = self.0.lock();
        let turn = turns.entry(device.minor().get()).or_default();
        *turn += 1;
        *turn
    }
}

/// Suspends the device, looks, writes the record, and resumes it with the new table.
///
/// Whatever goes wrong, the device goes on with the table it had, and requests only ever waited. It
/// does not depend on the client's life.
pub(super) fn switch(
    mapper: &Mapper,
    fence: &Fence,
    turns: &Turns,
    device: &MappedDevice<UserHost>,
    switch: &Switch,
) -> Result<String, Refused> {
    let turns = turns.0.lock();
    let busy = |text: &str| Refused::new(Errno::Busy, text);
    if turns.get(&device.minor().get()) != Some(&switch.turn) {
        return Err(busy("somebody else has taken over"));
    }
    let live = device.table().ok_or_else(|| busy("the device has no table"))?;
    if device.inactive_table().is_some() {
        return Err(busy("a table waits for resume; drop it with `dmctl clear`"));
    }
    if device.state() != State::Active {
        return Err(busy("the device is suspended"));
    }
    let mut refusal = Refusal::default();
    let to = switch.to.as_bytes();
    let checked = mapper.check(to, live.mode(), &mut |error| refusal.add(&error));
    let next = checked.map_err(|why| refused(why, &refusal))?;
    drop(live);
    if let Some((sector, words)) = &switch.message {
        let line = next.lookup(Sector::new(*sector)).and_then(|line| next.lines().nth(line));
        let line = line.ok_or_else(|| busy("the message is for no line of the table"))?;
        let words = Args::new(words, Position::START);
        let told = line.target.message(words, &mut String::new());
        told.map_err(|why| Refused::new(Errno::Invalid, why))?;
    }
    wait(mapper, device.suspend().map_err(caused_by)?);
    let prepared = prepare(mapper, fence, device, switch, next);
    if prepared.is_err() {
        // Whatever waits there is not to be bound.
        device.clear().map_err(caused_by)?;
    }
    wait(mapper, device.resume().map_err(caused_by)?);
    prepared.map(|()| String::new())
}

fn wait(mapper: &Mapper, change: Change<UserHost>) {
    mapper.host().wait(&change);
}

fn prepare(
    mapper: &Mapper,
    fence: &Fence,
    device: &MappedDevice<UserHost>,
    switch: &Switch,
    next: Table<UserHost>,
) -> Result<(), Refused> {
    let busy = |text: String| Refused::new(Errno::Busy, text);
    let live = device.table().ok_or_else(|| busy("the device has no table".into()))?;
    let mut status = String::new();
    // Writing to a string cannot fail.
    let _ = live.write_status(&mut status);
    if table_text(&live) != switch.from {
        return Err(busy("its table is not the expected one any more".into()));
    }
    if let Some(Proof { mirror, legs, .. }) = &switch.with {
        let mirror = MirrorStatus::find(&status, *mirror);
        if !mirror.is_some_and(|mirror| legs.hold(&mirror)) {
            return Err(busy("a leg of the mirror does not hold everything".into()));
        }
    }
    mapper.load_checked(device, next).map_err(caused_by)?;
    let record = switch.with.as_ref().and_then(|proof| proof.record.as_ref());
    if let Some((path, text)) = record {
        let failed = |why| {
            let text = format!("cannot write {}: {why}", path.display());
            Refused::new(Errno::Invalid, text)
        };
        let place = fence.new_file(path).map_err(failed)?;
        durable::replace(place.path(), text).map_err(failed)?;
    }
    Ok(())
}
