//! How a mapped device changes its state: suspended, resumed, removed, once its requests have drained.

use dm_sync::{Arc, Entered, Pass};

use super::{InUse, Inner, MappedDevice, Phase, Shared, Then};
use crate::{Change, ChangeError, Host, Queue, Table};

/// Tables that are no longer needed, to be dropped where no lock is held.
type Discarded<H> = [Option<Arc<Table<H>>>; 3];

/// A table that has just been bound, and a pass for its targets with state.
type Started<H> = (Arc<Table<H>>, Pass);

impl<H: Host> MappedDevice<H> {
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
            inner.dropping = inner.dropping.saturating_add(1);
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
        {
            let mut inner = self.lock();
            inner.dropping = inner.dropping.saturating_sub(1);
        }
        if let Some((table, pass)) = started {
            self.start_targets(&table, pass);
        }
        self.raise_event();
        while let Some(bio) = released.pop() {
            self.submit(bio);
        }
    }

    /// Has the targets with state of the live table do what they have to.
    pub(super) fn pump_targets(&self) {
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

    /// Whether requests that came before a change are still on their way, or what it replaced is not
    /// closed yet.
    pub(crate) fn is_changing(&self) -> bool {
        let inner = self.lock();
        inner.dropping > 0 || matches!(inner.phase, Phase::Draining(_))
    }

    /// Whether its removal is over.
    pub(crate) fn is_gone(&self) -> bool {
        self.lock().phase == Phase::Removed
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
        next.pumps.iter().for_each(|(_, pump)| pump.forget_end());
        // The gate is shut and was emptied above, and changes only under this lock.
        let refused = self.shared.gate.open(next).err();
        inner.phase = Phase::Active;
        let pass = self.shared.gate.enter(0).map(Entered::into_pass);
        ([before, replaced, refused], stateful.zip(pass))
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
