//! An io_uring with the jobs that it is carrying out.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use dm_core::IoError;
use io_uring::{IoUring, opcode, squeue, types};
use rustix::event::PollFlags;
use rustix::io::Errno;

use super::job::{Call, Job, Outcome, write_flags};
use super::pool::Pool;

/// A ring that one thread uses, the one that made it, and the jobs in it.
///
/// - Getters: [`jobs`](Self::jobs), [`is_watched`](Self::is_watched), [`take_seen`](Self::take_seen)
/// - Inputs: [`push`](Self::push), [`watch`](Self::watch)
/// - [`turn`](Self::turn) hands to the kernel what was pushed, and finishes what it has done
pub(crate) struct Ring {
    uring: IoUring,
    /// Those that the kernel has, by the number it knows them by.
    jobs: Vec<Option<Job>>,
    free: Vec<u32>,
    backlog: VecDeque<Job>,
    /// Jobs for threads to carry on.
    others: Vec<Job>,
    /// For what is left when the ring is dropped.
    pool: Arc<Pool>,
    /// The numbers, a bit each, of the watches that the kernel has.
    watched: u32,
    /// The numbers of those that have ended since this was last asked.
    seen: u32,
}

/// How the thread of a ring waits for what is in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RingWaiting {
    /// By turns that wait.
    InTurn,
    /// Among other descriptors on that of the ring, which can be read when a turn would complete
    /// something.
    OnDescriptor,
}

/// How many jobs the kernel has at a time. Its completion queue has room for twice as many.
const ENTRIES: u32 = 256;

/// What the kernel knows a watch by: this, and its number.
const WATCH: u64 = 1 << 63;

impl Ring {
    /// One without jobs, for this thread. Where io_uring is refused or too old, that is an error.
    pub(crate) fn new(waiting: RingWaiting, pool: Arc<Pool>) -> io::Result<Ring> {
        let simple = || IoUring::builder().setup_clamp().build(ENTRIES);
        let uring = match waiting {
            RingWaiting::OnDescriptor => simple(),
            // Completions wait until the thread turns, instead of interrupting it one by one. Linux
            // before 6.1 does not know that.
            RingWaiting::InTurn => {
                let mut builder = IoUring::builder();
                builder.setup_clamp().setup_single_issuer().setup_defer_taskrun();
                builder.build(ENTRIES).or_else(|_| simple())
            }
        }?;
        let mut probe = io_uring::Probe::new();
        uring.submitter().register_probe(&mut probe)?;
        let needed = [opcode::Read::CODE, opcode::Write::CODE, opcode::Fsync::CODE];
        if !needed.iter().all(|&code| probe.is_supported(code)) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Ring {
            uring,
            jobs: (0..ENTRIES).map(|_| None).collect(),
            free: (0..ENTRIES).rev().collect(),
            backlog: VecDeque::new(),
            others: Vec::new(),
            pool,
            watched: 0,
            seen: 0,
        })
    }

    /// Adds a job; the kernel gets it at the next turn.
    pub(crate) fn push(&mut self, job: Job) {
        self.backlog.push_back(job);
    }

    /// How many jobs are not finished.
    pub(crate) fn jobs(&self) -> usize {
        self.in_flight() + self.backlog.len()
    }

    fn in_flight(&self) -> usize {
        self.jobs.len() - self.free.len()
    }

    /// Makes a turn end once `fd` has one of `events`, or has failed. The kernel is told at the next
    /// turn. Nothing is changed where a watch of that number, 0 to 31, has not ended.
    pub(crate) fn watch(&mut self, number: u32, fd: BorrowedFd<'_>, events: PollFlags) {
        if self.is_watched(number) {
            return;
        }
        // They are signed where rustix calls libc, as it does for sanitizers.
        let events = u16::from_ne_bytes(events.bits().to_ne_bytes()).into();
        let poll = opcode::PollAdd::new(types::Fd(fd.as_raw_fd()), events).build();
        let poll = poll.user_data(WATCH | u64::from(number));
        // SAFETY: a poll uses no memory. The descriptor is open, and a turn or `Drop` comes before
        // its owner closes it, or else the poll is refused or ends at once.
        if unsafe { self.uring.submission().push(&poll) }.is_ok() {
            self.watched |= 1 << number;
        }
    }

    /// Whether a watch has not ended.
    pub(crate) fn is_watched(&self, number: u32) -> bool {
        self.watched & 1 << number != 0
    }

    /// Whether a watch has ended, since this was last asked for it.
    pub(crate) fn take_seen(&mut self, number: u32) -> bool {
        let seen = self.seen & 1 << number != 0;
        self.seen &= !(1 << number);
        seen
    }

    /// Hands over what was pushed, waits for something to happen if `wait`, and moves what has
    /// finished to `finished`, and what threads are to carry on to `others`.
    pub(crate) fn turn(
        &mut self,
        wait: bool,
        finished: &mut Vec<(Job, Result<(), IoError>)>,
        others: &mut Vec<Job>,
    ) -> io::Result<()> {
        self.fill();
        self.enter(wait)?;
        self.reap(finished);
        others.append(&mut self.others);
        Ok(())
    }

    fn enter(&mut self, wait: bool) -> io::Result<()> {
        const GETEVENTS: u32 = 1;
        let submitted = self.uring.submission().len() as u32;
        // SAFETY: there is no argument; what is submitted was pushed with its own promises.
        let entered = unsafe {
            self.uring.submitter().enter::<libc::sigset_t>(submitted, wait.into(), GETEVENTS, None)
        };
        match entered {
            Ok(_) => Ok(()),
            // The kernel wants its completions taken first, or was interrupted.
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::INTR | Errno::AGAIN | Errno::BUSY) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Puts jobs into the submission queue, as many as it and the kernel have room for.
    fn fill(&mut self) {
        while let Some(job) = self.backlog.pop_front() {
            let (Some(entry), Some(&slot)) = (entry(&job), self.free.last()) else {
                if matches!(job.call(), Call::Other) {
                    self.others.push(job);
                    continue;
                }
                self.backlog.push_front(job);
                break;
            };
            // SAFETY: the job owns the descriptor and the memory that the entry names. It stays in
            // `jobs` until the kernel has said that it is done with them; `Drop` waits for that.
            let pushed = unsafe { self.uring.submission().push(&entry.user_data(slot.into())) };
            if pushed.is_err() {
                self.backlog.push_front(job);
                break;
            }
            self.free.pop();
            if let Some(place) = self.jobs.get_mut(slot as usize) {
                *place = Some(job);
            }
        }
    }

    fn reap(&mut self, finished: &mut Vec<(Job, Result<(), IoError>)>) {
        for completion in self.uring.completion() {
            if completion.user_data() & WATCH != 0 {
                let bit = 1 << (completion.user_data() & 31);
                self.watched &= !bit;
                self.seen |= bit;
                continue;
            }
            let slot = completion.user_data() as usize;
            let Some(mut job) = self.jobs.get_mut(slot).and_then(Option::take) else {
                continue;
            };
            self.free.push(slot as u32);
            match job.returned(result(completion.result())) {
                Outcome::Finished(result) => finished.push((job, result)),
                Outcome::Again => self.backlog.push_front(job),
                Outcome::Otherwise => self.others.push(job),
            }
        }
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the ring owns its descriptor, and is borrowed as long as this is.
        unsafe { BorrowedFd::borrow_raw(self.uring.as_raw_fd()) }
    }
}

impl Drop for Ring {
    /// Waits until the kernel lets go of the memory of the jobs in it, and leaves the rest to threads:
    /// they may be there for others than whoever the ring was for, as those of a mirror are.
    fn drop(&mut self) {
        loop {
            self.others.extend(self.backlog.drain(..));
            self.others.drain(..).for_each(|job| self.pool.submit(job));
            if self.in_flight() == 0 {
                return;
            }
            let mut finished = Vec::new();
            let submitted = self.enter(true);
            self.reap(&mut finished);
            for (job, result) in finished {
                job.finish(result);
            }
            if let Err(error) = submitted
                && self.in_flight() > 0
            {
                // Better to lose the memory than to free what the kernel may still write to.
                tracing::error!("an io_uring does not drain: {error}");
                self.jobs.drain(..).for_each(std::mem::forget);
                return;
            }
        }
    }
}

/// The entry for a job's next call; none if it is one for threads.
fn entry(job: &Job) -> Option<squeue::Entry> {
    let fd = types::Fd(job.file.file.as_raw_fd());
    Some(match job.call() {
        Call::Read(transfer) => {
            let memory = transfer.memory;
            let read = opcode::Read::new(fd, memory.start.as_ptr(), memory.bytes as u32);
            read.offset(transfer.offset).build()
        }
        Call::Write(transfer, flags) => {
            let memory = transfer.memory;
            let write = opcode::Write::new(fd, memory.start.as_ptr(), memory.bytes as u32);
            write.offset(transfer.offset).rw_flags(write_flags(flags)).build()
        }
        Call::Sync => opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC).build(),
        Call::Other => return None,
    })
}

fn result(returned: i32) -> Result<usize, Errno> {
    usize::try_from(returned).map_err(|_| Errno::from_raw_os_error(returned.wrapping_neg()))
}
