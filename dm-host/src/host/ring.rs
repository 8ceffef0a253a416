//! An io_uring with the jobs that it is carrying out.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use dm_core::IoError;
use io_uring::{IoUring, opcode, squeue, types};
use rustix::io::Errno;

use super::job::{Call, Job, Outcome, write_flags};

/// A ring that one thread uses, and the jobs in it.
///
/// - Getters: [`jobs`](Self::jobs), [`take_woken`](Self::take_woken)
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
    /// A descriptor that the kernel is still to be told to watch.
    watching: Option<RawFd>,
    woken: bool,
}

/// How many jobs the kernel has at a time. Its completion queue has room for twice as many.
const ENTRIES: u32 = 256;

/// What the kernel knows the watched descriptor by.
const WATCH: u64 = u64::MAX;

impl Ring {
    /// One without jobs. Where io_uring is refused or too old, that is an error.
    pub(crate) fn new() -> io::Result<Ring> {
        let uring = IoUring::builder().setup_clamp().build(ENTRIES)?;
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
            watching: None,
            woken: false,
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

    /// Makes a turn end when `fd` can be read, once.
    pub(crate) fn watch(&mut self, fd: BorrowedFd<'_>) {
        self.watching = Some(fd.as_raw_fd());
    }

    /// Whether the watched descriptor could be read, since this was last asked.
    pub(crate) fn take_woken(&mut self) -> bool {
        std::mem::take(&mut self.woken)
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
        match self.uring.submit_and_wait(usize::from(wait)) {
            Ok(_) => {}
            // The kernel wants its completions taken first, or was interrupted.
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::INTR | Errno::AGAIN | Errno::BUSY) => {}
                _ => return Err(error),
            },
        }
        self.reap(finished);
        others.append(&mut self.others);
        Ok(())
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
        if let Some(fd) = self.watching.take() {
            let poll = opcode::PollAdd::new(types::Fd(fd), libc::POLLIN as u32).build();
            // SAFETY: a poll uses no memory, and takes its own hold of the open file.
            let pushed = unsafe { self.uring.submission().push(&poll.user_data(WATCH)) };
            if pushed.is_err() {
                self.watching = Some(fd);
            }
        }
    }

    fn reap(&mut self, finished: &mut Vec<(Job, Result<(), IoError>)>) {
        for completion in self.uring.completion() {
            if completion.user_data() == WATCH {
                self.woken = true;
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
    /// Waits until the kernel lets go of the memory of the jobs in it.
    fn drop(&mut self) {
        self.backlog.clear();
        self.others.clear();
        while self.in_flight() > 0 {
            let mut finished = Vec::new();
            let submitted = self.uring.submit_and_wait(1);
            self.reap(&mut finished);
            self.backlog.clear();
            for (job, result) in finished {
                job.finish(result);
            }
            if let Err(error) = submitted
                && error.raw_os_error() != Some(libc::EINTR)
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
