//! A ring of a thread's own: what it submits goes in there, with no other thread involved.

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use dm_core::IoError;
use rustix::event::PollFlags;

use super::job::Job;
use super::pool::Pool;
use super::ring::{Ring, RingWaiting};

thread_local! {
    static RING: RefCell<Option<Ring>> = const { RefCell::new(None) };
}

/// Makes this thread collect its jobs in a ring until it is dropped.
///
/// They are carried out when the thread calls [`turn`](Self::turn), so it must not wait for one of
/// them otherwise.
pub(crate) struct LocalRing {
    fd: RawFd,
    pool: Arc<Pool>,
    finished: Vec<(Job, Result<(), IoError>)>,
    others: Vec<Job>,
    /// It belongs to its thread.
    here: PhantomData<*const ()>,
}

impl LocalRing {
    /// None where the system refuses one, or where this thread has one.
    pub(crate) fn enter(pool: Arc<Pool>, waiting: RingWaiting) -> Option<LocalRing> {
        let ring = Ring::new(waiting, pool.clone()).ok()?;
        let fd = ring.as_fd().as_raw_fd();
        let taken = RING.with_borrow_mut(|place| match place {
            Some(_) => false,
            None => {
                *place = Some(ring);
                true
            }
        });
        if !taken {
            return None;
        }
        let (finished, others) = (Vec::new(), Vec::new());
        Some(LocalRing { fd, pool, finished, others, here: PhantomData })
    }

    /// Carries out what was submitted as far as that goes without waiting, and completes what is
    /// done. Returns whether anything was.
    pub(crate) fn turn(&mut self) -> io::Result<bool> {
        if self.jobs() == 0 { Ok(false) } else { self.carry_on(false) }
    }

    /// The same, and waits until there is something to complete or a [watch](Self::watch) has ended.
    pub(crate) fn wait(&mut self) -> io::Result<bool> {
        self.carry_on(true)
    }

    fn carry_on(&mut self, wait: bool) -> io::Result<bool> {
        let (finished, others) = (&mut self.finished, &mut self.others);
        // Jobs complete outside: they may submit others.
        RING.with_borrow_mut(|ring| match ring {
            Some(ring) => ring.turn(wait, finished, others),
            None => Ok(()),
        })?;
        let any = !finished.is_empty() || !others.is_empty();
        for (job, result) in finished.drain(..) {
            job.finish(result);
        }
        others.drain(..).for_each(|job| self.pool.submit(job));
        Ok(any)
    }

    /// See [`Ring::watch`].
    pub(crate) fn watch(&mut self, number: u32, fd: BorrowedFd<'_>, events: PollFlags) {
        RING.with_borrow_mut(|ring| {
            if let Some(ring) = ring {
                ring.watch(number, fd, events);
            }
        });
    }

    /// Whether a watch has not ended.
    pub(crate) fn is_watched(&self, number: u32) -> bool {
        RING.with_borrow(|ring| ring.as_ref().is_some_and(|ring| ring.is_watched(number)))
    }

    /// Whether a watch has ended, since this was last asked for it.
    pub(crate) fn take_seen(&mut self, number: u32) -> bool {
        RING.with_borrow_mut(|ring| ring.as_mut().is_some_and(|ring| ring.take_seen(number)))
    }

    /// How many jobs are in it, whoever they are for.
    pub(crate) fn jobs(&self) -> usize {
        RING.with_borrow(|ring| ring.as_ref().map_or(0, Ring::jobs))
    }
}

/// Can be read when a turn would complete something, if that is how the thread waits.
impl AsFd for LocalRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is that of the ring in `RING`, which stays there as long as `self`
        // does: only `Drop` takes it out, and `self` cannot leave its thread.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

impl Drop for LocalRing {
    fn drop(&mut self) {
        // A thread that ends may have dropped it already.
        let ring = RING.try_with(|ring| ring.borrow_mut().take());
        drop(ring);
    }
}

/// Gives a job to this thread's ring; gives it back if the thread has none.
pub(crate) fn push(job: Job) -> Option<Job> {
    let mut job = Some(job);
    // A thread that ends has none any more.
    let _ = RING.try_with(|ring| {
        if let Some(ring) = &mut *ring.borrow_mut()
            && let Some(job) = job.take()
        {
            ring.push(job);
        }
    });
    job
}

#[cfg(test)]
mod tests;
