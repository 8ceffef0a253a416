//! What the core's host hooks need of the disks, by minor.
//!
//! Its lock is a spin lock of its own: the hooks are called by whoever writes to a file in /proc, and
//! a disk that goes waits, under the mutex of all disks, for all who are in its file.

use alloc::vec::Vec;

use dm_core::{Minor, OutOfMemory, Time, try_insert};
use lock_api::Mutex;

use crate::glue::{self, GenDisk};
use crate::lock::SpinLock;

/// The disks that are there, in the order of their minors.
pub(crate) struct Shown {
    all: Mutex<SpinLock, Vec<Entry>>,
}

struct Entry {
    minor: Minor,
    gendisk: *mut GenDisk,
    /// How many freezes are to be undone.
    frozen: u32,
    /// Whoever would have undone them was interrupted.
    abandoned: bool,
    /// When its device wants to be settled.
    wake: Option<Time>,
}

// SAFETY: a gendisk may be used on any thread.
unsafe impl Send for Entry {}

/// A gendisk that stays in memory while this does.
pub(crate) struct Kept(*mut GenDisk);

impl Shown {
    pub(crate) const fn new() -> Shown {
        Shown { all: Mutex::new(Vec::new()) }
    }

    /// A disk is there from now on; it must be until it is [removed](Self::remove).
    pub(crate) fn add(&self, minor: Minor, gendisk: *mut GenDisk) -> Result<(), OutOfMemory> {
        let mut all = self.all.lock();
        let place = all.partition_point(|entry| entry.minor < minor);
        let entry = Entry { minor, gendisk, frozen: 0, abandoned: false, wake: None };
        try_insert(&mut all, place, entry)
    }

    pub(crate) fn remove(&self, minor: Minor) {
        self.all.lock().retain(|entry| entry.minor != minor);
    }

    pub(crate) fn get(&self, minor: Minor) -> Option<Kept> {
        self.with(minor, |entry| Kept::of(entry.gendisk))
    }

    /// A freeze has succeeded.
    pub(crate) fn frozen(&self, minor: Minor) {
        self.with(minor, |entry| {
            entry.frozen = entry.frozen.saturating_add(1);
            entry.abandoned = false;
        });
    }

    /// Whoever waits for a change gives up, and so will not undo its freezes.
    pub(crate) fn abandon(&self, minor: Minor) {
        self.with(minor, |entry| entry.abandoned = true);
    }

    /// Undoes all freezes of a disk.
    pub(crate) fn thaw(&self, minor: Minor) {
        let frozen = self.with(minor, |entry| {
            let times = core::mem::take(&mut entry.frozen);
            (times > 0).then(|| (Kept::of(entry.gendisk), times))
        });
        if let Some((disk, times)) = frozen.flatten() {
            for _ in 0..times {
                // SAFETY: it is kept, and was frozen that many times.
                unsafe { glue::dmrs_disk_thaw(disk.as_ptr()) };
            }
        }
    }

    /// The first disk from `from` on whose freezes nobody is there to undo.
    pub(crate) fn abandoned(&self, from: Minor) -> Option<Minor> {
        let all = self.all.lock();
        let mut found = all.iter().filter(|entry| entry.abandoned && entry.frozen > 0);
        found.find(|entry| entry.minor >= from).map(|entry| entry.minor)
    }

    /// Has the device settled at that time.
    pub(crate) fn wake(&self, minor: Minor, at: Time) {
        self.with(minor, |entry| entry.wake = Some(entry.wake.map_or(at, |other| other.min(at))));
        self.set_alarm(&self.all.lock());
    }

    /// Forgets the times that have come.
    pub(crate) fn woken(&self) {
        let now = glue::dmrs_now();
        let mut all = self.all.lock();
        for entry in all.iter_mut() {
            entry.wake = entry.wake.filter(|at| at.nanos() > now);
        }
        self.set_alarm(&all);
    }

    /// Sees to it that somebody comes back at the first of the times. Called under the lock, so that
    /// the last to ask asks for the earliest.
    fn set_alarm(&self, all: &[Entry]) {
        if let Some(first) = all.iter().filter_map(|entry| entry.wake).min() {
            glue::dmrs_wake_in(first.nanos().saturating_sub(glue::dmrs_now()));
        }
    }

    fn with<T>(&self, minor: Minor, act: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut all = self.all.lock();
        let place = all.binary_search_by_key(&minor, |entry| entry.minor).ok()?;
        all.get_mut(place).map(act)
    }
}

impl Kept {
    /// Of a disk that is there.
    fn of(gendisk: *mut GenDisk) -> Kept {
        // SAFETY: as above.
        unsafe { glue::dmrs_disk_get(gendisk) };
        Kept(gendisk)
    }

    pub(crate) fn as_ptr(&self) -> *mut GenDisk {
        self.0
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: `of` got it.
        unsafe { glue::dmrs_disk_put(self.0) }
    }
}
