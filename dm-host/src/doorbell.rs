//! Wakes a thread that sleeps until one of several descriptors can be read.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::retry_on_intr;

/// A descriptor that can be read when somebody has rung, which costs nothing while its owner is
/// awake.
///
/// The owner calls [`awake`](Self::awake), looks for work, and when there is none
/// [`about_to_sleep`](Self::about_to_sleep); then it looks once more and sleeps on the descriptor.
/// Whoever has left it work rings.
pub(crate) struct Doorbell {
    awake: AtomicBool,
    event: OwnedFd,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Doorbell> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Doorbell { awake: AtomicBool::new(false), event })
    }

    /// Has the owner look for work, if it sleeps or is about to.
    pub(crate) fn ring(&self) {
        if !self.awake.swap(true, Ordering::SeqCst) {
            // It fails only when the counter is full, and so can be read already.
            let _ = retry_on_intr(|| rustix::io::write(&self.event, &1u64.to_ne_bytes()));
        }
    }

    pub(crate) fn awake(&self) {
        self.awake.store(true, Ordering::SeqCst);
    }

    pub(crate) fn about_to_sleep(&self) {
        self.awake.store(false, Ordering::SeqCst);
    }

    /// Makes the descriptor one that cannot be read, until the next ring.
    pub(crate) fn silence(&self) {
        let mut counter = [0; 8];
        // It fails only when nobody has rung.
        let _ = retry_on_intr(|| rustix::io::read(&self.event, &mut counter));
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
