//! One request on its way to one backing file, and how a thread carries it out.

use std::fmt;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dm_core::{Bio, BioFlags, BioOp, IoError, Op};
use rustix::fs::{FallocateFlags, fallocate, fdatasync};
use rustix::io::Errno;

use super::backing::{BackingFile, BackingKind};
use super::bio::{UserBio, Zeroing};
use super::system_calls::{self, Memory};

/// A request and the file it is for. While it exists, so do the memory and the descriptor.
pub(crate) struct Job {
    pub(crate) bio: UserBio,
    pub(crate) file: Arc<BackingFile>,
    /// How many bytes of a read or a write are done.
    progress: u64,
}

/// The system call that is next for a job, where it is one that a ring can make.
pub(crate) enum Call {
    Read(Transfer),
    Write(Transfer, BioFlags),
    Sync,
    /// One that threads make.
    Other,
}

/// What is left of a read or a write.
pub(crate) struct Transfer {
    pub(crate) memory: Memory,
    pub(crate) offset: u64,
}

impl Transfer {
    fn is_whole_pages(&self) -> bool {
        (self.offset | self.memory.bytes as u64).is_multiple_of(PAGE)
    }
}

/// What came of a system call.
pub(crate) enum Outcome {
    Finished(Result<(), IoError>),
    /// Make the next one.
    Again,
    /// A thread is to carry on; it has other ways.
    Otherwise,
}

/// The longest that one system call reads or writes, in bytes; Linux takes a little less than 2 GiB.
const LONGEST_CALL: u64 = 1 << 30;

/// What to write where a file system cannot make zeros, aligned for direct I/O.
#[repr(align(4096))]
struct Zeros([u8; 1 << 16]);

static ZEROS: Zeros = Zeros([0; 1 << 16]);

impl Job {
    pub(crate) fn new(bio: UserBio, file: Arc<BackingFile>) -> Job {
        Job { bio, file, progress: 0 }
    }

    pub(crate) fn finish(self, result: Result<(), IoError>) {
        // First, so that the file is closed where its table is, once all bios have completed.
        drop(self.file);
        self.bio.complete(result);
    }

    pub(crate) fn is_read(&self) -> bool {
        self.bio.op() == BioOp::Data(Op::Read)
    }

    pub(crate) fn call(&self) -> Call {
        match self.bio.op() {
            BioOp::Flush => Call::Sync,
            BioOp::Data(Op::Read) => Call::Read(self.rest()),
            BioOp::Data(Op::Write) => Call::Write(self.rest(), self.bio.flags()),
            BioOp::Data(Op::Discard | Op::WriteZeroes) => Call::Other,
        }
    }

    /// Takes note of what a call returned that [`Job::call`] had asked for.
    pub(crate) fn returned(&mut self, result: Result<usize, Errno>) -> Outcome {
        let is_write = self.bio.op() == BioOp::Data(Op::Write);
        match result {
            Err(Errno::INTR | Errno::AGAIN) => Outcome::Again,
            Err(Errno::OPNOTSUPP | Errno::INVAL)
                if is_write && self.bio.flags().contains(BioFlags::FUA) =>
            {
                Outcome::Otherwise
            }
            Err(errno) => Outcome::Finished(Err(self.io_error(errno))),
            Ok(_) if self.bio.op() == BioOp::Flush => Outcome::Finished(Ok(())),
            // The file has become shorter than it was.
            Ok(0) => {
                self.tell("there is nothing, it has become shorter");
                Outcome::Finished(Err(IoError::Failed))
            }
            Ok(bytes) => {
                self.progress = self.progress.saturating_add(bytes as u64);
                if self.progress < self.bio.bytes() {
                    Outcome::Again
                } else {
                    Outcome::Finished(Ok(()))
                }
            }
        }
    }

    /// Carries it out to the end, on this thread.
    pub(crate) fn perform(mut self) {
        let result = loop {
            let returned = match self.call() {
                Call::Read(transfer) => self.read(transfer, 0),
                Call::Write(transfer, flags) => self.write(transfer, write_flags(flags)),
                Call::Sync => fdatasync(&self.file.file).map(|()| 0),
                Call::Other => break self.perform_on_range(),
            };
            match self.returned(returned) {
                Outcome::Finished(result) => break result,
                Outcome::Again => {}
                Outcome::Otherwise => break self.write_and_sync(),
            }
        };
        self.finish(result);
    }

    /// Carries out what the page cache can do at once; gives back any other job, and what is left of
    /// one that it could do in part.
    ///
    /// Some file systems, ext4 for one, have no writes that rather fail than wait. io_uring would
    /// hand each to a thread of the kernel, and there they wait for one another. A write of whole
    /// pages waits only where its writer is to be slowed down anyway, so it is made here.
    pub(crate) fn perform_if_cached(mut self) -> Option<Job> {
        if !self.file.cached || self.bio.bytes() > LONGEST_CACHED {
            return Some(self);
        }
        loop {
            let returned = match self.call() {
                Call::Read(transfer) if self.file.reads_at_once.load(Ordering::Relaxed) => {
                    self.read(transfer, libc::RWF_NOWAIT)
                }
                Call::Write(transfer, flags) if flags.is_empty() && transfer.is_whole_pages() => {
                    match self.file.writes_at_once.load(Ordering::Relaxed) {
                        true => self.write(transfer, libc::RWF_NOWAIT),
                        false => self.write(transfer, 0),
                    }
                }
                _ => return Some(self),
            };
            match returned {
                Err(Errno::AGAIN) => return Some(self),
                Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => {
                    let is_read = self.bio.op() == BioOp::Data(Op::Read);
                    let file = &self.file;
                    let at_once = if is_read { &file.reads_at_once } else { &file.writes_at_once };
                    if !at_once.swap(false, Ordering::Relaxed) {
                        return Some(self);
                    }
                }
                returned => match self.returned(returned) {
                    Outcome::Finished(result) => {
                        self.finish(result);
                        return None;
                    }
                    Outcome::Again => {}
                    Outcome::Otherwise => return Some(self),
                },
            }
        }
    }

    fn rest(&self) -> Transfer {
        let left = self.bio.bytes().saturating_sub(self.progress);
        let data = self.bio.data();
        // SAFETY: the data of a read or a write is `bytes` long, and `progress` is less: a job that
        // is through finishes.
        let start = unsafe { data.add(self.progress as usize) };
        let memory = Memory { start, bytes: left.min(LONGEST_CALL) as usize };
        // Tables only map to sectors that the device has, whose bytes have 63-bit offsets.
        let offset = self.offset().saturating_add(self.progress);
        Transfer { memory, offset }
    }

    fn offset(&self) -> u64 {
        self.bio.sector().byte_offset().unwrap_or(u64::MAX)
    }

    fn read(&self, transfer: Transfer, flags: i32) -> Result<usize, Errno> {
        let offset = i64::try_from(transfer.offset).map_err(|_| Errno::OVERFLOW)?;
        // SAFETY: the bio's own part of its buffer, which it keeps alive and nobody looks at.
        unsafe { system_calls::read_at(&self.file.file, transfer.memory, offset, flags) }
    }

    fn write(&self, transfer: Transfer, flags: i32) -> Result<usize, Errno> {
        let offset = i64::try_from(transfer.offset).map_err(|_| Errno::OVERFLOW)?;
        // SAFETY: the bio keeps its buffer alive, and nobody writes to that of a write.
        unsafe { system_calls::write_at(&self.file.file, transfer.memory, offset, flags) }
    }

    /// Forced unit access where a write cannot be asked for it.
    fn write_and_sync(&mut self) -> Result<(), IoError> {
        loop {
            let returned = self.write(self.rest(), 0);
            match self.returned(returned) {
                Outcome::Finished(Ok(())) => return self.sync(),
                Outcome::Finished(Err(error)) => return Err(error),
                Outcome::Again => {}
                // So the write itself was refused.
                Outcome::Otherwise => return Err(IoError::Failed),
            }
        }
    }

    fn perform_on_range(&self) -> Result<(), IoError> {
        let (offset, bytes) = (self.offset(), self.bio.bytes());
        let done = if self.bio.op() == BioOp::Data(Op::Discard) {
            self.discard(offset, bytes)
        } else {
            self.write_zeroes(offset, bytes)
        };
        done.map_err(|errno| self.io_error(errno))?;
        if self.bio.flags().contains(BioFlags::FUA) { self.sync() } else { Ok(()) }
    }

    /// Discards are a hint: a file system or a disk without them has nothing to do.
    fn discard(&self, offset: u64, bytes: u64) -> Result<(), Errno> {
        let done = match self.file.kind {
            BackingKind::BlockDevice => {
                retry(|| system_calls::discard_blocks(&self.file.file, offset, bytes))
            }
            BackingKind::RegularFile | BackingKind::Memory | BackingKind::Remote => {
                self.punch_hole(offset, bytes)
            }
        };
        if done == Err(Errno::OPNOTSUPP) { Ok(()) } else { done }
    }

    fn write_zeroes(&self, offset: u64, bytes: u64) -> Result<(), Errno> {
        let zeroing = self.bio.zeroing();
        let zero_range = || {
            let flags = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
            retry(|| fallocate(&self.file.file, flags, offset, bytes))
        };
        let fast = if zeroing.contains(Zeroing::ALLOCATED) {
            zero_range()
        } else {
            self.punch_hole(offset, bytes).or_else(|_| zero_range())
        };
        match fast {
            Err(Errno::OPNOTSUPP) if !zeroing.contains(Zeroing::FAST) => {
                self.write_out_zeros(offset, bytes)
            }
            fast => fast,
        }
    }

    fn punch_hole(&self, offset: u64, bytes: u64) -> Result<(), Errno> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        retry(|| fallocate(&self.file.file, flags, offset, bytes))
    }

    fn write_out_zeros(&self, mut offset: u64, mut bytes: u64) -> Result<(), Errno> {
        while bytes > 0 {
            let zeros = &ZEROS.0[..bytes.min(ZEROS.0.len() as u64) as usize];
            let written = retry(|| rustix::io::pwrite(&self.file.file, zeros, offset))?;
            if written == 0 {
                return Err(Errno::IO);
            }
            offset = offset.saturating_add(written as u64);
            bytes = bytes.saturating_sub(written as u64);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), IoError> {
        retry(|| fdatasync(&self.file.file)).map_err(|errno| self.io_error(errno))
    }

    /// Tells what went wrong, and where.
    fn tell(&self, why: impl fmt::Display) {
        let (op, sector) = (self.bio.op(), self.bio.sector());
        let link = format!("/proc/self/fd/{}", self.file.file.as_raw_fd());
        let file = std::fs::read_link(link).unwrap_or_else(|_| "a backing device".into());
        tracing::warn!("{op:?} at sector {sector} of {} failed: {why}", file.display());
    }

    fn io_error(&self, errno: Errno) -> IoError {
        if errno != Errno::OPNOTSUPP {
            self.tell(errno);
        }
        match errno {
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => IoError::NoSpace,
            Errno::OPNOTSUPP => IoError::NotSupported,
            Errno::NOMEM => IoError::OutOfMemory,
            Errno::ROFS | Errno::BADF | Errno::PERM => IoError::ReadOnly,
            Errno::NODEV | Errno::NXIO => IoError::NoDevice,
            _ => IoError::Failed,
        }
    }
}

/// A page of the page cache, or several; in bytes.
const PAGE: u64 = 4096;

/// The longest read or write that whoever asks for it makes in the page cache, in bytes.
const LONGEST_CACHED: u64 = 1 << 20;

/// What pwritev2(2) calls them.
pub(crate) fn write_flags(flags: BioFlags) -> i32 {
    if flags.contains(BioFlags::FUA) { libc::RWF_DSYNC } else { 0 }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
