//! Tells of changes: to threads that wait for one, and to the thread that settles devices.

use std::sync::{Arc, Weak};
use std::time::Instant;

use dm_core::Minor;
use parking_lot::{Condvar, Mutex};

use super::Mapper;

/// Where [`Host::notify`](dm_core::Host::notify) leaves word.
#[derive(Default)]
pub(crate) struct Notifier {
    state: Mutex<State>,
    changed: Condvar,
    listeners: Mutex<Vec<Listener>>,
}

pub(crate) type Listener = Arc<dyn Fn(Minor) + Send + Sync>;

#[derive(Default)]
struct State {
    /// Grows with every notification.
    count: u64,
    /// Devices to be settled.
    unsettled: Vec<Minor>,
    /// Devices to be settled later, and when.
    wakes: Vec<(Instant, Minor)>,
    /// What `count` was when the last of those that are settled were taken up.
    settled: u64,
    stopped: bool,
}

impl Notifier {
    pub(crate) fn notify(&self, minor: Minor) {
        let mut state = self.state.lock();
        state.count += 1;
        if !state.unsettled.contains(&minor) {
            state.unsettled.push(minor);
        }
        self.changed.notify_all();
    }

    /// Has the device settled at `at`, or soon after.
    pub(crate) fn wake(&self, minor: Minor, at: Instant) {
        let mut state = self.state.lock();
        // One wish a device is enough: when it is settled, it says when it wants to be again.
        match state.wakes.iter_mut().find(|(_, known)| *known == minor) {
            Some((known_at, _)) => *known_at = at.min(*known_at),
            None => state.wakes.push((at, minor)),
        }
        self.changed.notify_all();
    }

    /// Calls `listener` after each notification, with the device settled.
    pub(crate) fn listen(&self, listener: Listener) {
        self.listeners.lock().push(listener);
    }

    /// Ends the settling thread.
    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Returns what `check` finds, which is asked at first and after every notification; `None`
    /// when it is past the deadline.
    pub(crate) fn wait_for<T>(
        &self,
        deadline: Option<Instant>,
        mut check: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        loop {
            let seen = self.state.lock().count;
            if let Some(found) = check() {
                return Some(found);
            }
            let mut state = self.state.lock();
            while state.count == seen {
                match deadline {
                    None => self.changed.wait(&mut state),
                    Some(deadline) => {
                        if self.changed.wait_until(&mut state, deadline).timed_out() {
                            drop(state);
                            return check();
                        }
                    }
                }
            }
        }
    }

    /// Notifies, and waits until the device has been settled for it.
    pub(crate) fn notify_and_wait(&self, minor: Minor) {
        self.notify(minor);
        let mut state = self.state.lock();
        let count = state.count;
        while state.settled < count && !state.stopped {
            self.changed.wait(&mut state);
        }
    }

    /// Settles devices until the mapper is gone.
    pub(crate) fn settle_devices(&self, mapper: &Weak<Mapper>) {
        while let Some((minors, count)) = self.next() {
            let Some(mapper) = mapper.upgrade() else {
                return;
            };
            let listeners = self.listeners.lock().clone();
            for minor in minors {
                mapper.settle(minor);
                listeners.iter().for_each(|listener| listener(minor));
            }
            self.state.lock().settled = count;
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<(Vec<Minor>, u64)> {
        let mut state = self.state.lock();
        loop {
            state.wake_due(Instant::now());
            if !state.unsettled.is_empty() || state.stopped {
                break;
            }
            match state.wakes.iter().map(|(at, _)| *at).min() {
                Some(at) => drop(self.changed.wait_until(&mut state, at)),
                None => self.changed.wait(&mut state),
            }
        }
        (!state.stopped).then(|| (std::mem::take(&mut state.unsettled), state.count))
    }
}

impl State {
    /// Takes up the devices whose time has come.
    fn wake_due(&mut self, now: Instant) {
        let unsettled = &mut self.unsettled;
        self.wakes.retain(|&(at, minor)| {
            let due = at <= now;
            if due && !unsettled.contains(&minor) {
                unsettled.push(minor);
            }
            !due
        });
    }
}
