//! A thread with a ring, for jobs of threads that have none.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};

use super::job::Job;
use super::pool::Pool;
use super::ring::Ring;

/// Takes jobs from any thread, and ends when it is dropped and they are done.
pub(crate) struct RingThread {
    shared: Arc<Shared>,
}

struct Shared {
    /// What was submitted since the thread looked last; `None` once its ring has failed.
    jobs: Mutex<Option<Vec<Job>>>,
    /// Whether the thread will look at `jobs` before it sleeps.
    awake: AtomicBool,
    stopped: AtomicBool,
    wake: OwnedFd,
}

impl RingThread {
    pub(crate) fn start(pool: Arc<Pool>) -> io::Result<RingThread> {
        let ring = Ring::new()?;
        let shared = Arc::new(Shared {
            jobs: Mutex::new(Some(Vec::new())),
            awake: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
        let mine = shared.clone();
        let work = move || mine.work(ring, &pool);
        std::thread::Builder::new().name("dm-ring".into()).spawn(work)?;
        Ok(RingThread { shared })
    }

    /// Takes a job; gives it back if the ring has failed.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Job> {
        match &mut *self.shared.jobs.lock() {
            Some(jobs) => jobs.push(job),
            None => return Err(job),
        }
        self.shared.wake();
        Ok(())
    }
}

impl Drop for RingThread {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.wake();
    }
}

impl Shared {
    fn wake(&self) {
        if !self.awake.swap(true, Ordering::SeqCst) {
            // It fails only when the counter is full, and so not zero.
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }

    fn work(&self, mut ring: Ring, pool: &Pool) {
        let (mut new, mut finished, mut others) = (Vec::new(), Vec::new(), Vec::new());
        ring.watch(self.wake.as_fd());
        loop {
            self.awake.store(true, Ordering::SeqCst);
            if let Some(jobs) = &mut *self.jobs.lock() {
                std::mem::swap(&mut new, jobs);
            }
            let idle = new.is_empty();
            new.drain(..).for_each(|job| ring.push(job));
            if idle {
                if self.stopped.load(Ordering::SeqCst) && ring.jobs() == 0 {
                    return;
                }
                self.awake.store(false, Ordering::SeqCst);
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
            if ring.take_woken() {
                let mut counter = [0; 8];
                let _ = rustix::io::read(&self.wake, &mut counter);
                ring.watch(self.wake.as_fd());
            }
        }
    }
}
