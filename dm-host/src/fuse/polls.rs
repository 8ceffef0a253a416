//! Those who poll `events`.

use std::collections::HashMap;

use dm_core::Minor;
use fuser::{FileHandle, PollNotifier};
use parking_lot::Mutex;

/// Whom to tell of which device's events.
#[derive(Default)]
pub(super) struct Polls {
    waiting: Mutex<HashMap<FileHandle, (Minor, PollNotifier)>>,
}

impl Polls {
    /// From now on `notifier` is told of the next event of the device.
    pub(super) fn add(&self, handle: FileHandle, minor: Minor, notifier: PollNotifier) {
        self.waiting.lock().insert(handle, (minor, notifier));
    }

    pub(super) fn remove(&self, handle: FileHandle) {
        self.waiting.lock().remove(&handle);
    }

    /// Tells whoever waits for the device to look again.
    pub(super) fn tell(&self, minor: Minor) {
        let mut told = Vec::new();
        self.waiting.lock().retain(|_, (waits_for, notifier)| {
            if *waits_for == minor {
                told.push(notifier.clone());
            }
            *waits_for != minor
        });
        for notifier in told {
            // Fails for files that were closed in the meantime.
            let _ = notifier.notify();
        }
    }
}
