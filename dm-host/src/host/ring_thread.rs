//! A thread with a ring, for jobs of threads that have none.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use parking_lot::Mutex;
use rustix::event::PollFlags;

use super::job::Job;
use super::pool::Pool;
use super::ring::{Ring, RingWaiting};
use crate::doorbell::Doorbell;

/// Takes jobs from any thread, and ends when it is dropped and they are done.
pub(crate) struct RingThread {
    shared: Arc<Shared>,
}

struct Shared {
    /// What was submitted since the thread looked last; `None` once its ring has failed.
    jobs: Mutex<Option<Vec<Job>>>,
    stopped: AtomicBool,
    doorbell: Doorbell,
}

/// The number of its watch.
const DOORBELL: u32 = 0;

impl RingThread {
    pub(crate) fn start(pool: Arc<Pool>) -> io::Result<RingThread> {
        let shared = Arc::new(Shared {
            jobs: Mutex::new(Some(Vec::new())),
            stopped: AtomicBool::new(false),
            doorbell: Doorbell::new()?,
        });
        let mine = shared.clone();
        let (tell, told) = mpsc::sync_channel(1);
        let work = move || match Ring::new(RingWaiting::InTurn, pool.clone()) {
            Ok(ring) => {
                // Should nobody wait for it, it stops by itself.
                let _ = tell.send(Ok(()));
                mine.work(ring, &pool);
            }
            Err(error) => drop(tell.send(Err(error))),
        };
        std::thread::Builder::new().name("dm-ring".into()).spawn(work)?;
        told.recv().unwrap_or_else(|gone| Err(io::Error::other(gone)))?;
        Ok(RingThread { shared })
    }

    /// Takes a job; gives it back if the ring has failed.
    pub(crate) fn submit(&self, job: Job) -> Option<Job> {
        match &mut *self.shared.jobs.lock() {
            Some(jobs) => jobs.push(job),
            None => return Some(job),
        }
        self.shared.doorbell.ring();
        None
    }
}

impl Drop for RingThread {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.doorbell.ring();
    }
}

impl Shared {
    fn work(&self, mut ring: Ring, pool: &Pool) {
        let (mut new, mut finished, mut others) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            ring.watch(DOORBELL, self.doorbell.as_fd(), PollFlags::IN);
            self.doorbell.awake();
            if let Some(jobs) = &mut *self.jobs.lock() {
                std::mem::swap(&mut new, jobs);
            }
            let idle = new.is_empty();
            new.drain(..).for_each(|job| ring.push(job));
            if idle {
                if self.stopped.load(Ordering::SeqCst) && ring.jobs() == 0 {
                    return;
                }
                self.doorbell.about_to_sleep();
                if self.jobs.lock().as_ref().is_some_and(|jobs| !jobs.is_empty()) {
                    continue;
                }
            }
            if let Err(error) = ring.turn(idle, &mut finished, &mut others) {
                tracing::error!("an io_uring failed, threads take over: {error}");
                let left = self.jobs.lock().take();
                left.into_iter().flatten().for_each(|job| pool.submit(job));
                return;
            }
            for (job, result) in finished.drain(..) {
                job.finish(result);
            }
            others.drain(..).for_each(|job| pool.submit(job));
            if ring.take_seen(DOORBELL) {
                self.doorbell.silence();
            }
        }
    }
}
