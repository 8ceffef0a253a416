//! A mapped device: its tables, its state, and the requests that wait while it is suspended.

use core::sync::atomic::{AtomicU64, Ordering};

use dm_sync::{Arc, Entered, Gate, OutOfMemory, Pass, Text};
use dm_table::{Args, Sector, Sectors};
use dm_targets::{IoError, MessageError};
use lock_api::{Mutex, MutexGuard};

use crate::route::route;
use crate::{
    Bio, Change, ChangeError, DeviceName, Host, Minor, Open, OpenDeviceError, Queue, Table, Uuid,
};

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

/// Tables that are no longer needed, to be dropped where no lock is held.
type Discarded<H> = [Option<Arc<Table<H>>>; 3];

/// A table that has just been bound, and a pass for its targets with state.
type Started<H> = (Arc<Table<H>>, Pass);

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

    /// Holds back requests from now on; done when those on their way have completed.
    ///
    /// Suspending a suspended device changes nothing.
    pub fn suspend(&self) -> Result<Change<H>, ChangeError> {
        {
            let mut inner = self.lock();
            match inner.phase {
                Phase::Empty => return Err(ChangeError::NoTable),
                Phase::Removed | Phase::Draining(Then::Remove) => return Err(ChangeError::Removed),
                Phase::Active => self.start_draining(&mut inner, Then::Suspend),
                Phase::Draining(_) => inner.phase = Phase::Draining(Then::Suspend),
                Phase::Suspended => {}
            }
        }
        Ok(self.change())
    }

    /// Binds the inactive table, if there is one, and passes on the requests that were held back.
    ///
    /// An active device with an inactive table is suspended for it. Without one it is left alone.
    pub fn resume(&self) -> Result<Change<H>, ChangeError> {
        {
            let mut inner = self.lock();
            match inner.phase {
                Phase::Removed | Phase::Draining(Then::Remove) => return Err(ChangeError::Removed),
                Phase::Empty if inner.inactive.is_none() => return Err(ChangeError::NoTable),
                Phase::Active if inner.inactive.is_none() => {}
                Phase::Active => self.start_draining(&mut inner, Then::Resume),
                // Empty and suspended devices have a shut gate, and so are bound by `settle`.
                Phase::Empty | Phase::Suspended | Phase::Draining(_) => {
                    inner.phase = Phase::Draining(Then::Resume);
                }
            }
        }
        Ok(self.change())
    }

    /// Drops the inactive table. Returns whether there was one.
    pub fn clear(&self) -> Result<bool, ChangeError> {
        let dropped = {
            let mut inner = self.lock();
            if inner.phase.is_removed() {
                return Err(ChangeError::Removed);
            }
            inner.inactive.take()
        };
        Ok(dropped.is_some())
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

    /// Carries on a change whose requests have drained, and what targets with state have to do.
    /// Call it after [`Host::notify`], where requests may be submitted and devices closed.
    pub fn settle(&self) {
        self.pump_targets();
        if !self.is_drained() {
            return;
        }
        let mut told: Option<Arc<Table<H>>> = None;
        let (discarded, started, mut released) = loop {
            let mut inner = self.lock();
            // Whatever else was asked for in the meantime is what happens.
            let Phase::Draining(then) = inner.phase else {
                inner.settling = false;
                return;
            };
            let next = inner.inactive.as_ref().or(inner.live.as_ref());
            let is_told = match (next, &told) {
                (Some(next), Some(told)) => Arc::ptr_eq(next, told),
                (next, told) => next.is_none() && told.is_none(),
            };
            if then == Then::Resume && !is_told {
                let next = next.cloned();
                drop(inner);
                if let Some(next) = &next {
                    self.shared.host.bind(self.shared.minor, next);
                }
                told = next;
                continue;
            }
            inner.settling = false;
            break match then {
                Then::Suspend => {
                    inner.phase = Phase::Suspended;
                    (Discarded::default(), None, H::Queue::default())
                }
                Then::Resume => {
                    let (discarded, started) = self.bind(&mut inner);
                    (discarded, started, core::mem::take(&mut inner.held))
                }
                Then::Remove => {
                    inner.phase = Phase::Removed;
                    let tables =
                        [inner.live.take(), inner.inactive.take(), self.shared.gate.take()];
                    (tables, None, core::mem::take(&mut inner.held))
                }
            };
        };
        drop((discarded, told));
        if let Some((table, pass)) = started {
            self.start_targets(&table, pass);
        }
        self.raise_event();
        while let Some(bio) = released.pop() {
            self.submit(bio);
        }
    }

    /// Has the targets with state of the live table do what they have to.
    fn pump_targets(&self) {
        let (table, draining) = {
            let inner = self.lock();
            match &inner.live {
                Some(table) if !table.pumps.is_empty() => {
                    (table.clone(), matches!(inner.phase, Phase::Draining(_)))
                }
                _ => return,
            }
        };
        let mut event = false;
        for (_, pump) in &table.pumps {
            event |= pump.settle(&table);
            if draining {
                pump.suspend(&table);
            }
        }
        if event {
            self.raise_event();
        }
    }

    fn start_targets(&self, table: &Arc<Table<H>>, pass: Pass) {
        for (_, pump) in &table.pumps {
            pump.resume(table, &self.shared.host, self.shared.minor, pass.clone());
        }
        drop(pass);
        // Somebody may have begun to drain the device before they were started.
        self.pump_targets();
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

    /// Starts the removal, unless the device is open.
    pub(crate) fn remove(&self) -> Result<Change<H>, InUse> {
        {
            let mut inner = self.lock();
            if inner.opens > 0 {
                return Err(InUse { opens: inner.opens });
            }
            match inner.phase {
                Phase::Active => self.start_draining(&mut inner, Then::Remove),
                Phase::Empty | Phase::Suspended | Phase::Draining(_) => {
                    inner.phase = Phase::Draining(Then::Remove);
                }
                Phase::Removed => {}
            }
        }
        Ok(self.change())
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

    /// Whether requests that came before a change are still on their way.
    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.lock().phase, Phase::Draining(_))
    }

    /// Whether its removal is over.
    pub(crate) fn is_gone(&self) -> bool {
        self.lock().phase == Phase::Removed
    }

    /// Both tables, live and inactive.
    pub(crate) fn tables(&self) -> [Option<Arc<Table<H>>>; 2] {
        let inner = self.lock();
        [inner.live.clone(), inner.inactive.clone()]
    }

    fn lock(&self) -> MutexGuard<'_, H::Lock, Inner<H>> {
        self.shared.inner.lock()
    }

    fn change(&self) -> Change<H> {
        self.settle();
        Change::new(self.clone())
    }

    fn start_draining(&self, inner: &mut Inner<H>, then: Then) {
        inner.phase = Phase::Draining(then);
        self.shared.gate.close();
    }

    /// Whether a change has drained that the caller is the first to see, and so has to carry on.
    fn is_drained(&self) -> bool {
        let mut inner = self.lock();
        let is_draining = matches!(inner.phase, Phase::Draining(_));
        let is_drained = is_draining && !inner.settling && self.shared.gate.is_shut();
        inner.settling |= is_drained;
        is_drained
    }

    /// Opens the shut gate on the inactive table, or else on the one that was live before.
    ///
    /// If the table has targets with state, they are to be started, with the pass.
    fn bind(&self, inner: &mut Inner<H>) -> (Discarded<H>, Option<Started<H>>) {
        let before = self.shared.gate.take();
        let next = inner.inactive.take().or_else(|| inner.live.clone());
        let Some(next) = next else {
            inner.phase = Phase::Empty;
            return ([before, None, None], None);
        };
        let replaced = inner.live.replace(next.clone());
        let stateful = (!next.pumps.is_empty()).then(|| next.clone());
        // The gate is shut and was emptied above, and changes only under this lock.
        let refused = self.shared.gate.open(next).err();
        inner.phase = Phase::Active;
        let pass = self.shared.gate.enter(0).map(Entered::into_pass);
        ([before, replaced, refused], stateful.zip(pass))
    }

    fn raise_event(&self) {
        self.shared.events.fetch_add(1, Ordering::AcqRel);
        self.shared.host.notify(self.shared.minor);
    }

    #[inline]
    pub(crate) fn submit(&self, bio: H::Bio) {
        let mut bio = bio;
        loop {
            match self.shared.gate.enter(self.shared.host.lane()) {
                Some(table) => return route(&*self.shared.host, table, bio),
                None => match self.hold(bio) {
                    Some(again) => bio = again,
                    None => return,
                },
            }
        }
    }

    /// Holds a request back; returns it if the gate was opened in the meantime.
    #[cold]
    fn hold(&self, bio: H::Bio) -> Option<H::Bio> {
        let (refused, error) = {
            let mut inner = self.lock();
            match inner.phase {
                Phase::Active => return Some(bio),
                Phase::Suspended | Phase::Draining(Then::Suspend | Then::Resume) => {
                    match inner.held.push(bio) {
                        Ok(()) => return None,
                        Err(bio) => (bio, IoError::OutOfMemory),
                    }
                }
                Phase::Empty | Phase::Removed | Phase::Draining(Then::Remove) => {
                    (bio, IoError::NoDevice)
                }
            }
        };
        refused.complete(Err(error));
        None
    }
}

/// Nobody has removed the device, but nobody knows it any more: perhaps all of the mapper is dropped.
impl<H: Host> Drop for Shared<H> {
    fn drop(&mut self) {
        self.gate.close();
        // A target with state keeps its table, by a pass, until it is told to come to an end.
        if let Some(table) = self.inner.get_mut().live.take() {
            table.pumps.iter().for_each(|(_, pump)| pump.suspend(&table));
        }
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
