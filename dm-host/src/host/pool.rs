//! Threads that carry out jobs with system calls that block.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::job::Job;

/// As many threads as there is work for, up to a limit. The first starts with the first job, and each
/// ends when it had nothing to do for a while.
///
/// The queue has no bound of its own, so that a thread that completes a job can submit another
/// without waiting for itself. Its memory is bounded where requests come from: each front end
/// limits the bytes that a client may have in flight.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    stopped: bool,
}

/// How many system calls may block at a time.
const MAX_THREADS: usize = 16;

/// For how long a thread waits for something to do.
const IDLE: Duration = if cfg!(test) { Duration::from_millis(10) } else { Duration::from_secs(10) };

impl Pool {
    pub(crate) fn new() -> Pool {
        Pool { shared: Arc::default() }
    }

    pub(crate) fn submit(&self, job: Job) {
        let mut state = self.shared.state.lock();
        state.jobs.push_back(job);
        if state.jobs.len() <= state.idle {
            self.shared.work.notify_one();
        } else if state.threads < MAX_THREADS {
            state.threads += 1;
            let shared = self.shared.clone();
            let builder = std::thread::Builder::new().name("dm-io".into());
            if let Err(error) = builder.spawn(move || shared.work()) {
                state.threads -= 1;
                self.no_thread(state, error);
            }
        }
    }

    /// Without a single thread the jobs would wait forever: they fail.
    fn no_thread(&self, mut state: parking_lot::MutexGuard<'_, State>, error: std::io::Error) {
        tracing::warn!("no thread for input and output: {error}");
        if state.threads == 0 {
            let jobs = std::mem::take(&mut state.jobs);
            drop(state);
            drop(jobs);
        }
    }
}

impl Shared {
    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job.perform();
                state = self.state.lock();
            } else if state.stopped {
                return;
            } else {
                state.idle += 1;
                let waited = self.work.wait_for(&mut state, IDLE);
                state.idle -= 1;
                if waited.timed_out() && state.jobs.is_empty() {
                    state.threads -= 1;
                    return;
                }
            }
        }
    }
}

/// The threads finish what is queued, and end.
impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state.lock().stopped = true;
        self.shared.work.notify_all();
    }
}

#[cfg(test)]
mod tests;
