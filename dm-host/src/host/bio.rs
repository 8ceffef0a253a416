//! A request of this host: fragments that share one buffer and complete together.

use std::ptr::NonNull;
use std::sync::Arc;

use dm_core::table_text::SECTOR_SIZE;
use dm_core::{
    Bio, BioFlags, BioOp, Ended, IoError, MAX_DEPTH, Op, OutOfMemory, Pass, Sector, Sectors,
};
use parking_lot::Mutex;

use super::UserHost;
use super::backing::{BackingDevice, BackingFile};
use super::buffer::Buffer;
use super::figures::Counted;
use request::{Request, Share, Then};

mod request;

/// Who is told that a request has completed.
///
/// Called once a request, on whichever thread finishes it: it should be quick, and must not wait
/// for other requests.
pub trait Complete: Send + Sync {
    /// The request has completed.
    fn complete(&self, done: Done);
}

impl<F: Fn(Done) + Send + Sync> Complete for F {
    fn complete(&self, done: Done) {
        self(done);
    }
}

/// A completed request.
pub struct Done {
    /// The number it was given.
    pub tag: u64,
    /// How it went: the first error of any of its parts.
    pub result: Result<(), IoError>,
    /// Its buffer. After a read that went well it holds what was read.
    pub buffer: Buffer,
}

bitflags::bitflags! {
    /// How a write of zeros is to be carried out.
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Zeroing: u8 {
        /// The sectors keep their place on the disk.
        const ALLOCATED = 1;
        /// Better an error ([`IoError::NotSupported`]) than something as slow as a write.
        const FAST = 2;
    }
}

/// A request, or a part of one. See [`dm_core::Bio`].
pub struct UserBio {
    // First, so that whoever waits for the request is told before the passes are given back: once a
    // device has drained, all its completions have been delivered.
    request: Share,
    passes: heapless::Vec<Pass, { MAX_DEPTH as usize }>,
    sector: Sector,
    sectors: Sectors,
    /// Where in the buffer its data begins, in bytes.
    data_at: usize,
    /// What it was aimed at.
    file: Option<Arc<BackingFile>>,
    completed: bool,
}

impl UserBio {
    /// Reads into the whole of `buffer`, from `sector` on.
    pub fn read(sector: Sector, buffer: Buffer, tag: u64, then: Arc<dyn Complete>) -> UserBio {
        let sectors = buffer.sectors();
        UserBio::new(BioOp::Data(Op::Read), sector, sectors, buffer, tag, then)
    }

    /// Writes the whole of `buffer`, from `sector` on.
    pub fn write(sector: Sector, buffer: Buffer, tag: u64, then: Arc<dyn Complete>) -> UserBio {
        let sectors = buffer.sectors();
        UserBio::new(BioOp::Data(Op::Write), sector, sectors, buffer, tag, then)
    }

    /// Discards `sectors` from `sector` on.
    pub fn discard(sector: Sector, sectors: Sectors, tag: u64, then: Arc<dyn Complete>) -> UserBio {
        let (op, none) = (BioOp::Data(Op::Discard), Buffer::default());
        UserBio::new(op, sector, sectors, none, tag, then)
    }

    /// Makes `sectors` from `sector` on read as zeros.
    pub fn write_zeroes(
        sector: Sector,
        sectors: Sectors,
        tag: u64,
        then: Arc<dyn Complete>,
    ) -> UserBio {
        let (op, none) = (BioOp::Data(Op::WriteZeroes), Buffer::default());
        UserBio::new(op, sector, sectors, none, tag, then)
    }

    /// Makes everything that was written and acknowledged before last.
    pub fn flush(tag: u64, then: Arc<dyn Complete>) -> UserBio {
        let none = Buffer::default();
        UserBio::new(BioOp::Flush, Sector::ZERO, Sectors::ZERO, none, tag, then)
    }

    /// The same request, carried out with `flags`. Changes nothing once it has been split.
    pub fn with_flags(mut self, flags: BioFlags) -> UserBio {
        if let Some(request) = self.request.get_mut() {
            request.flags = flags;
        }
        self
    }

    /// The same request, its zeros written as `zeroing` says. Changes nothing once it has been
    /// split.
    pub fn with_zeroing(mut self, zeroing: Zeroing) -> UserBio {
        if let Some(request) = self.request.get_mut() {
            request.zeroing = zeroing;
        }
        self
    }

    /// The same request, counted. Changes nothing once it has been split.
    pub(crate) fn with_counted(mut self, counted: Counted) -> UserBio {
        if let Some(request) = self.request.get_mut() {
            request.counted = Some(counted);
        }
        self
    }

    fn new(
        op: BioOp,
        sector: Sector,
        sectors: Sectors,
        buffer: Buffer,
        tag: u64,
        then: Arc<dyn Complete>,
    ) -> UserBio {
        UserBio::whole(op, BioFlags::empty(), sector, sectors, buffer, tag, Then::Tell(then))
    }

    /// Memory for jobs.
    pub(crate) fn buffer(sectors: Sectors) -> Result<UserBio, OutOfMemory> {
        let (op, buffer) = (BioOp::Data(Op::Read), Buffer::zeroed(sectors)?);
        let none = BioFlags::empty();
        Ok(UserBio::whole(op, none, Sector::ZERO, sectors, buffer, 0, Then::Nothing))
    }

    fn whole(
        op: BioOp,
        flags: BioFlags,
        sector: Sector,
        sectors: Sectors,
        buffer: Buffer,
        tag: u64,
        then: Then,
    ) -> UserBio {
        let request = Request {
            op,
            flags,
            zeroing: Zeroing::empty(),
            buffer,
            error: Mutex::new(None),
            tag,
            then,
            counted: None,
        };
        UserBio {
            request: Share::new(request),
            passes: heapless::Vec::new(),
            sector,
            sectors,
            data_at: 0,
            file: None,
            completed: false,
        }
    }

    pub(crate) fn take_file(&mut self) -> Option<Arc<BackingFile>> {
        self.file.take()
    }

    pub(crate) fn zeroing(&self) -> Zeroing {
        self.request.zeroing
    }

    /// How many bytes it covers.
    pub(crate) fn bytes(&self) -> u64 {
        self.sectors.bytes().unwrap_or(u64::MAX)
    }

    /// Its part of the buffer, as long as [`bytes`](Self::bytes) says if this reads or writes.
    ///
    /// Good until the bio is gone. Nobody else writes there, but for duplicates of a read.
    pub(crate) fn data(&self) -> NonNull<u8> {
        let start = self.request.start();
        // SAFETY: `data_at` is 0 or where `split` cut, which is within the buffer of a read or a
        // write, or of the request that a child was made of; it is never moved for a bio without.
        unsafe { start.add(self.data_at) }
    }

    /// How much memory it has from `data` on.
    fn memory(&self) -> Sectors {
        let transfers = matches!(self.op(), BioOp::Data(Op::Read | Op::Write));
        if transfers { self.sectors } else { Sectors::ZERO }
    }

    /// Another part of the request, for the same sectors.
    fn part(&self, sectors: Sectors) -> UserBio {
        UserBio {
            request: self.request.clone(),
            passes: self.passes.clone(),
            sector: self.sector,
            sectors,
            data_at: self.data_at,
            file: None,
            completed: false,
        }
    }
}

impl Bio for UserBio {
    type Host = UserHost;

    fn op(&self) -> BioOp {
        self.request.op
    }

    fn flags(&self) -> BioFlags {
        self.request.flags
    }

    fn sector(&self) -> Sector {
        self.sector
    }

    fn sectors(&self) -> Sectors {
        self.sectors
    }

    fn split(&mut self, front: Sectors) -> Result<UserBio, OutOfMemory> {
        // The caller promises less than the whole; a part that grew could reach past the buffer.
        let front = front.min(self.sectors);
        let taken = self.part(front);
        self.sector = self.sector.saturating_add(front);
        self.sectors = self.sectors.saturating_sub(front);
        if matches!(self.op(), BioOp::Data(Op::Read | Op::Write)) {
            self.data_at += (front.get() * SECTOR_SIZE) as usize;
        }
        Ok(taken)
    }

    fn duplicate(&self) -> Result<UserBio, OutOfMemory> {
        Ok(self.part(self.sectors))
    }

    fn child(
        &self,
        op: BioOp,
        flags: BioFlags,
        sectors: Sectors,
        ended: Ended<UserHost>,
    ) -> Result<UserBio, Ended<UserHost>> {
        let transfers = matches!(op, BioOp::Data(Op::Read | Op::Write));
        // Nor may it reach past the memory, even if the core asked for it.
        if transfers && sectors > self.memory() {
            return Err(ended);
        }
        let then = Then::End(ended, self.request.clone());
        let zero = Sector::ZERO;
        let mut child = UserBio::whole(op, flags, zero, sectors, Buffer::default(), 0, then);
        child.data_at = self.data_at;
        if let Some(request) = child.request.get_mut() {
            request.zeroing = self.request.zeroing;
        }
        Ok(child)
    }

    fn with_bytes<T>(&mut self, work: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        let request = self.request.get_mut()?;
        Some(work(&mut request.buffer))
    }

    fn set_sector(&mut self, sector: Sector) {
        self.sector = sector;
    }

    fn set_device(&mut self, device: &BackingDevice) {
        self.file = Some(device.file.clone());
    }

    fn carry(&mut self, pass: Pass) {
        // One too many would let its device drain early; the caller promises that there is none.
        let refused = self.passes.push(pass);
        debug_assert!(refused.is_ok(), "more devices on top of one another than MAX_DEPTH");
    }

    fn fill_zeros(&mut self) {
        if self.op() != BioOp::Data(Op::Read) {
            return;
        }
        let _one_at_a_time = self.request.error.lock();
        // SAFETY: the part of a read's buffer that is this bio's, which nobody looks at while there
        // are parts. Of several parts for the same bytes only one fills them at a time.
        unsafe { self.data().write_bytes(0, self.bytes() as usize) };
    }

    fn complete(mut self, result: Result<(), IoError>) {
        self.completed = true;
        if let Err(error) = result {
            self.request.error.lock().get_or_insert(error);
        }
    }
}

impl Drop for UserBio {
    fn drop(&mut self) {
        if !self.completed {
            self.request.error.lock().get_or_insert(IoError::Failed);
        }
    }
}

#[cfg(test)]
mod tests;
