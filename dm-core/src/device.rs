//! A mapped device: its tables, its state, and the requests that wait while it is suspended.

#[cfg(not(shuttle))]
use core::sync::atomic::{AtomicU64, Ordering};

use dm_sync::{Arc, Gate, OutOfMemory, Text};
use dm_table::{Args, Sector, Sectors};
use dm_targets::MessageError;
use lock_api::{Mutex, MutexGuard};
#[cfg(shuttle)]
use shuttle::sync::atomic::{AtomicU64, Ordering};

use crate::{DeviceName, Host, Minor, Open, OpenDeviceError, Table, Uuid};

mod batch;
mod requests;
mod transitions;

/// A virtual block device; clones are the same device.
///
/// It is *empty* until its first table is bound, and then *active* or *suspended*. A table that is
/// loaded waits in the inactive slot until the device is resumed.
///
/// - Getters: [`name`](Self::name), [`state`](Self::state), [`events`](Self::events),
///   [`table`](Self::table), ...
/// - Inputs: [`suspend`](Self::suspend), [`resume`](Self::resume), [`clear`](Self::clear),
///   [`message`](Self::message); requests come in through [`Open::submit`].
/// - After [`Host::notify`]: [`settle`](Self::settle).
pub struct MappedDevice<H: Host> {
    shared: Arc<Shared<H>>,
}

struct Shared<H: Host> {
    host: Arc<H>,
    minor: Minor,
    gate: Gate<Arc<Table<H>>>,
    events: AtomicU64,
    inner: Mutex<H::Lock, Inner<H>>,
}

struct Inner<H: Host> {
    name: DeviceName,
    uuid: Option<Uuid>,
    phase: Phase,
    live: Option<Arc<Table<H>>>,
    inactive: Option<Arc<Table<H>>>,
    held: H::Queue,
    /// Somebody carries on a change that has drained.
    settling: bool,
    /// How many drop tables that a change has replaced: it is not over before that.
    dropping: u32,
    opens: u32,
    /// What was wrong with the table that was loaded last.
    load_errors: Option<Arc<Text>>,
    /// What the last message was answered with.
    answer: Option<Arc<Text>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Empty,
    Active,
    /// The gate is closed, and requests that came before are still on their way.
    Draining(Then),
    Suspended,
    Removed,
}

/// What happens when a device has drained.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Then {
    Suspend,
    Resume,
    Remove,
}

/// What a mapped device does with requests.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum State {
    /// It has no table; requests fail.
    Empty,
    /// It passes requests on.
    Active,
    /// It holds requests back.
    Suspended,
}

/// Why a message was not delivered, or not obeyed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no live table.
    #[error("the device has no table")]
    NoTable,
    /// No line covers the sector.
    #[error("sector {sector} is past the end of the table, {size} sectors")]
    OutOfRange {
        /// The sector that was named.
        sector: Sector,
        /// The length of the table.
        size: Sectors,
    },
    /// The target refused it.
    #[error("{0}")]
    Refused(#[from] MessageError),
}

impl<H: Host> MappedDevice<H> {
    pub(crate) fn new(
        host: Arc<H>,
        name: DeviceName,
        minor: Minor,
        uuid: Option<Uuid>,
    ) -> Result<MappedDevice<H>, OutOfMemory> {
        let waker = host.clone();
        let gate = Gate::new(host.lanes(), move || waker.notify(minor))?;
        let inner = Mutex::new(Inner {
            name,
            uuid,
            phase: Phase::Empty,
            live: None,
            inactive: None,
            held: H::Queue::default(),
            settling: false,
            dropping: 0,
            opens: 0,
            load_errors: None,
            answer: None,
        });
        let shared = Shared { host, minor, gate, events: AtomicU64::new(0), inner };
        Ok(MappedDevice { shared: Arc::try_new(shared)? })
    }

    /// Its name at this moment.
    pub fn name(&self) -> DeviceName {
        self.lock().name.clone()
    }

    /// Its number.
    pub fn minor(&self) -> Minor {
        self.shared.minor
    }

    /// Its uuid, if it was given one.
    pub fn uuid(&self) -> Option<Uuid> {
        self.lock().uuid.clone()
    }

    /// Its state. One that still drains counts as suspended.
    pub fn state(&self) -> State {
        match self.lock().phase {
            Phase::Empty | Phase::Removed | Phase::Draining(Then::Remove) => State::Empty,
            Phase::Active => State::Active,
            Phase::Draining(Then::Suspend | Then::Resume) | Phase::Suspended => State::Suspended,
        }
    }

    /// The event number: it grows with each change of state or table.
    pub fn events(&self) -> u64 {
        self.shared.events.load(Ordering::Acquire)
    }

    /// How many have it open, tables of other devices among them.
    pub fn open_count(&self) -> u32 {
        self.lock().opens
    }

    /// The table that requests go through; `None` if there is none yet.
    pub fn table(&self) -> Option<Arc<Table<H>>> {
        self.lock().live.clone()
    }

    /// The table that waits for [`resume`](Self::resume).
    pub fn inactive_table(&self) -> Option<Arc<Table<H>>> {
        self.lock().inactive.clone()
    }

    /// Whether it was removed, or is being removed.
    pub fn is_removed(&self) -> bool {
        self.lock().phase.is_removed()
    }

    /// Opens it, which keeps it from being removed or renamed.
    pub fn open(&self) -> Result<Open<H>, OpenDeviceError> {
        let mut inner = self.lock();
        if inner.phase.is_removed() {
            return Err(OpenDeviceError::Removed);
        }
        inner.opens = inner.opens.saturating_add(1);
        drop(inner);
        Ok(Open { device: self.clone() })
    }

    /// Sends the words of a message to the target at `sector`, and remembers its answer.
    pub fn message(&self, sector: Sector, words: Args<'_>) -> Result<Arc<Text>, SendError> {
        let table = self.table().ok_or(SendError::NoTable)?;
        let target = table.lookup(sector).and_then(|line| table.targets.get(line));
        let target = target.ok_or(SendError::OutOfRange { sector, size: table.size() })?;
        // Before the target acts: an answer that there is no room for would come too late.
        let mut answer = Arc::try_new(Text::new()).map_err(|_| MessageError::OutOfMemory)?;
        let text = Arc::get_mut(&mut answer).ok_or(MessageError::OutOfMemory)?;
        target.message(words, text)?;
        // It may have been about what the target does in the background.
        self.pump_targets();
        let before = self.lock().answer.replace(answer.clone());
        drop(before);
        Ok(answer)
    }

    /// What the last message was answered with; `None` before the first.
    pub fn last_answer(&self) -> Option<Arc<Text>> {
        self.lock().answer.clone()
    }

    /// What was wrong with the table that was loaded last, a line each; `None` if nothing was.
    pub fn load_errors(&self) -> Option<Arc<Text>> {
        self.lock().load_errors.clone()
    }

    pub(crate) fn set_load_errors(&self, errors: Option<Arc<Text>>) {
        let before = core::mem::replace(&mut self.lock().load_errors, errors);
        drop(before);
    }

    /// One more of what is open already.
    pub(crate) fn open_again(&self) -> Open<H> {
        let mut inner = self.lock();
        inner.opens = inner.opens.saturating_add(1);
        drop(inner);
        Open { device: self.clone() }
    }

    /// One that had it open is done.
    pub(crate) fn closed(&self) {
        let mut inner = self.lock();
        inner.opens = inner.opens.saturating_sub(1);
    }

    /// Puts a validated table into the inactive slot. The one that was there is returned; or the new
    /// one, if the device was removed.
    pub(crate) fn set_inactive(
        &self,
        table: Arc<Table<H>>,
    ) -> Result<Option<Arc<Table<H>>>, Arc<Table<H>>> {
        let mut inner = self.lock();
        if inner.phase.is_removed() {
            return Err(table);
        }
        Ok(inner.inactive.replace(table))
    }

    /// Gives it another name, unless the device is open.
    pub(crate) fn rename(&self, name: DeviceName) -> Result<(), InUse> {
        let mut inner = self.lock();
        if inner.opens > 0 {
            return Err(InUse { opens: inner.opens });
        }
        inner.name = name;
        drop(inner);
        self.raise_event();
        Ok(())
    }

    /// How many mapped devices its tables put on top of one another, itself included.
    pub(crate) fn depth(&self) -> u32 {
        let inner = self.lock();
        let depth = |table: &Option<Arc<Table<H>>>| table.as_ref().map_or(1, |table| table.depth());
        depth(&inner.live).max(depth(&inner.inactive))
    }

    /// Both tables, live and inactive.
    pub(crate) fn tables(&self) -> [Option<Arc<Table<H>>>; 2] {
        let inner = self.lock();
        [inner.live.clone(), inner.inactive.clone()]
    }

    fn lock(&self) -> MutexGuard<'_, H::Lock, Inner<H>> {
        self.shared.inner.lock()
    }

    fn raise_event(&self) {
        self.shared.events.fetch_add(1, Ordering::AcqRel);
        self.shared.host.notify(self.shared.minor);
    }
}

impl<H: Host> Clone for MappedDevice<H> {
    fn clone(&self) -> MappedDevice<H> {
        MappedDevice { shared: self.shared.clone() }
    }
}

impl<H: Host> PartialEq for MappedDevice<H> {
    fn eq(&self, other: &MappedDevice<H>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Phase {
    fn is_removed(self) -> bool {
        matches!(self, Phase::Removed | Phase::Draining(Then::Remove))
    }
}

/// The device is open.
pub(crate) struct InUse {
    pub(crate) opens: u32,
}
