//! Who makes the system calls: io_uring, or threads where it is refused.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use super::backing::BackingKind;
use super::job::{Call, Job};
use super::local_ring::{self, LocalRing};
use super::pool::Pool;
use super::remote::Remote;
use super::ring::RingWaiting;
use super::ring_thread::RingThread;

/// Which way of doing I/O to use.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EngineChoice {
    /// io_uring, or threads where the system refuses it, as many containers do.
    #[default]
    Auto,
    /// io_uring, or nothing.
    IoUring,
    /// Threads that read and write.
    Threads,
}

/// The name of an engine is none of `auto`, `io_uring` and `threads`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected auto, io_uring or threads")]
pub struct EngineNameError;

impl FromStr for EngineChoice {
    type Err = EngineNameError;

    fn from_str(name: &str) -> Result<EngineChoice, EngineNameError> {
        match name {
            "auto" => Ok(EngineChoice::Auto),
            "io_uring" => Ok(EngineChoice::IoUring),
            "threads" => Ok(EngineChoice::Threads),
            _ => Err(EngineNameError),
        }
    }
}

impl fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            EngineChoice::Auto => "auto",
            EngineChoice::IoUring => "io_uring",
            EngineChoice::Threads => "threads",
        })
    }
}

/// Carries out jobs.
pub(crate) struct Engine {
    /// None: threads do it all.
    rings: Vec<RingThread>,
    /// For what a ring cannot do, too.
    pool: Arc<Pool>,
}

/// How many ring threads are of use, at most: they only serve threads without a ring of their own.
const MAX_RINGS: usize = 4;

impl Engine {
    pub(crate) fn new(choice: EngineChoice, lanes: usize) -> io::Result<Engine> {
        let pool = Arc::new(Pool::new());
        let start = || (0..lanes.clamp(1, MAX_RINGS)).map(|_| RingThread::start(pool.clone()));
        let rings = match choice {
            EngineChoice::Threads => Vec::new(),
            EngineChoice::IoUring => start().collect::<io::Result<_>>()?,
            EngineChoice::Auto => start().collect::<io::Result<_>>().unwrap_or_else(|error| {
                tracing::info!("io_uring is refused ({error}): threads read and write instead");
                Vec::new()
            }),
        };
        Ok(Engine { rings, pool })
    }

    /// Which it turned out to be; never [`EngineChoice::Auto`].
    pub(crate) fn choice(&self) -> EngineChoice {
        if self.rings.is_empty() { EngineChoice::Threads } else { EngineChoice::IoUring }
    }

    /// Carries out a job, or has it carried out; it may be done before this returns.
    #[inline]
    pub(crate) fn submit(&self, job: Job, lane: usize) {
        if job.file.kind == BackingKind::Remote {
            return Remote::submit(job);
        }
        // What is in memory is done sooner than handed over.
        if job.file.kind == BackingKind::Memory {
            return job.perform();
        }
        if matches!(job.call(), Call::Other) {
            return self.pool.submit(job);
        }
        if let Some(job) = job.perform_if_cached().and_then(local_ring::push) {
            self.hand_over(job, lane);
        }
    }

    /// Gives this thread a ring of its own, if rings are what this engine uses.
    pub(crate) fn local_ring(&self, waiting: RingWaiting) -> Option<LocalRing> {
        match self.choice() {
            EngineChoice::Threads => None,
            _ => LocalRing::enter(self.pool.clone(), waiting),
        }
    }

    fn hand_over(&self, job: Job, lane: usize) {
        let ring = lane.checked_rem(self.rings.len()).and_then(|n| self.rings.get(n));
        let refused = match ring {
            Some(ring) => ring.submit(job),
            None => Some(job),
        };
        if let Some(job) = refused {
            self.pool.submit(job);
        }
    }
}
