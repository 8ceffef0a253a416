//! A mapped device as bytes, read and written by a thread that waits.

use std::sync::Arc;

use dm_core::table_text::SECTOR_SIZE;
use dm_core::{BioFlags, IoError, Open, OutOfMemory, Sector, Sectors};
use parking_lot::{Condvar, Mutex};

use super::{Buffer, Complete, Counter, Done, UserBio, UserHost, Zeroing};

/// An open mapped device that is read and written like a file, at any byte.
///
/// What does not begin and end with the device's blocks costs reads of the blocks at its ends, and
/// such writes wait for one another; two of them to one block are safe through one `BlockIo` only.
pub struct BlockIo {
    open: Open<UserHost>,
    /// Held while blocks are read, changed in part, and written back.
    ragged: Mutex<()>,
    /// None: nobody counts its requests.
    counter: Option<Mutex<Counter>>,
}

impl BlockIo {
    /// Reads and writes through `open`.
    pub fn new(open: Open<UserHost>) -> BlockIo {
        BlockIo { open, ragged: Mutex::new(()), counter: None }
    }

    /// The same, with its requests in the figures of the device.
    pub(crate) fn counted(open: Open<UserHost>, host: &UserHost) -> BlockIo {
        let counter = Some(Mutex::new(host.counter(&open)));
        BlockIo { open, ragged: Mutex::new(()), counter }
    }

    /// The open device.
    pub fn open(&self) -> &Open<UserHost> {
        &self.open
    }

    /// The device's length in bytes.
    pub fn len(&self) -> u64 {
        self.open.size().bytes().unwrap_or(u64::MAX)
    }

    /// Whether the device has no sectors.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `bytes` from the byte `offset` on, or as much of it as the device has.
    ///
    /// Returns how many bytes there were: fewer than asked for only at the end of the device.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, IoError> {
        let wanted = self.within(offset, bytes.len());
        if wanted == 0 {
            return Ok(0);
        }
        let blocks = self.blocks(offset, wanted)?;
        let buffer = self.read_blocks(&blocks)?;
        let found = buffer.get(blocks.skip..blocks.skip + wanted).ok_or(IoError::Failed)?;
        bytes[..wanted].copy_from_slice(found);
        Ok(wanted)
    }

    /// Writes `bytes` from the byte `offset` on, or as much as the device has room for.
    ///
    /// Returns how many bytes that were; past the end there is [`IoError::NoSpace`].
    pub fn write_at(&self, bytes: &[u8], offset: u64, flags: BioFlags) -> Result<usize, IoError> {
        let length = self.within(offset, bytes.len());
        if length == 0 {
            return if bytes.is_empty() { Ok(0) } else { Err(IoError::NoSpace) };
        }
        let blocks = self.blocks(offset, length)?;
        let whole = blocks.skip == 0 && blocks.bytes() == length as u64;
        let _alone = (!whole).then(|| self.ragged.lock());
        let mut buffer = match whole {
            true => blocks.buffer()?,
            false => self.read_blocks(&blocks)?,
        };
        let place = buffer.get_mut(blocks.skip..blocks.skip + length).ok_or(IoError::Failed)?;
        place.copy_from_slice(&bytes[..length]);
        self.run(|then| UserBio::write(blocks.start, buffer, 0, then).with_flags(flags))?;
        Ok(length)
    }

    /// Makes everything that was written last.
    pub fn flush(&self) -> Result<(), IoError> {
        self.run(|then| UserBio::flush(0, then)).map(drop)
    }

    /// Discards the blocks that lie wholly in `length` bytes from the byte `offset` on.
    pub fn discard(&self, offset: u64, length: u64) -> Result<(), IoError> {
        let Some((start, sectors)) = self.whole_blocks(offset, length) else {
            return Ok(());
        };
        self.run(|then| UserBio::discard(start, sectors, 0, then)).map(drop)
    }

    /// Makes `length` bytes from the byte `offset` on read as zeros.
    pub fn write_zeroes(&self, offset: u64, length: u64, zeroing: Zeroing) -> Result<(), IoError> {
        let end = offset.checked_add(length).filter(|&end| end <= self.len());
        let end = end.ok_or(IoError::OutOfRange)?;
        let (inner, inner_end) = match self.whole_blocks(offset, length) {
            Some((start, sectors)) => {
                let zeroes =
                    |then| UserBio::write_zeroes(start, sectors, 0, then).with_zeroing(zeroing);
                self.run(zeroes)?;
                let inner = start.get().saturating_mul(SECTOR_SIZE);
                (inner, inner.saturating_add(sectors.bytes().unwrap_or(0)))
            }
            None => (end, end),
        };
        self.write_few_zeros(offset, inner)?;
        self.write_few_zeros(inner_end, end)
    }

    /// Writes zeros to part of a block or two.
    fn write_few_zeros(&self, from: u64, to: u64) -> Result<(), IoError> {
        let zeros = vec![0; to.saturating_sub(from) as usize];
        self.write_at(&zeros, from, BioFlags::empty()).map(drop)
    }

    fn read_blocks(&self, blocks: &Blocks) -> Result<Buffer, IoError> {
        let buffer = blocks.buffer()?;
        self.run(|then| UserBio::read(blocks.start, buffer, 0, then))
    }

    /// How many of `length` bytes at `offset` lie on the device.
    fn within(&self, offset: u64, length: usize) -> usize {
        let room = self.len().saturating_sub(offset);
        usize::try_from(room).map_or(length, |room| room.min(length))
    }

    /// The blocks that cover `length` bytes, at least one of them, from `offset` on.
    fn blocks(&self, offset: u64, length: usize) -> Result<Blocks, IoError> {
        let block = self.block_bytes();
        let start = offset - offset % block;
        let end =
            offset.checked_add(length as u64).and_then(|end| end.checked_next_multiple_of(block));
        let end = end.ok_or(IoError::OutOfRange)?;
        Ok(Blocks {
            start: Sector::new(start / SECTOR_SIZE),
            sectors: Sectors::from_bytes(end - start),
            skip: (offset - start) as usize,
        })
    }

    /// The blocks that lie wholly in `length` bytes from `offset` on; `None` if there are none.
    fn whole_blocks(&self, offset: u64, length: u64) -> Option<(Sector, Sectors)> {
        let block = self.block_bytes();
        let end = offset.checked_add(length)?.min(self.len());
        let (start, end) = (offset.checked_next_multiple_of(block)?, end - end % block);
        let bytes = end.checked_sub(start).filter(|&bytes| bytes > 0)?;
        Some((Sector::new(start / SECTOR_SIZE), Sectors::from_bytes(bytes)))
    }

    fn block_bytes(&self) -> u64 {
        self.open.limits().logical_block.bytes().unwrap_or(SECTOR_SIZE).max(SECTOR_SIZE)
    }

    /// Submits a request.
    pub(crate) fn submit(&self, bio: UserBio) {
        let bio = match &self.counter {
            Some(counter) => counter.lock().count(&self.open, bio),
            None => bio,
        };
        self.open.submit(bio);
    }

    /// Submits a request and waits for it.
    fn run(&self, request: impl FnOnce(Arc<dyn Complete>) -> UserBio) -> Result<Buffer, IoError> {
        let waiter = Arc::new(Waiter::default());
        self.submit(request(waiter.clone()));
        let mut done = waiter.done.lock();
        loop {
            match done.take() {
                Some(Done { result: Ok(()), buffer, .. }) => return Ok(buffer),
                Some(Done { result: Err(error), .. }) => return Err(error),
                None => waiter.told.wait(&mut done),
            }
        }
    }
}

/// Where a block's bytes lie, and those that were asked for among them.
struct Blocks {
    start: Sector,
    sectors: Sectors,
    /// How many bytes come before those that were asked for.
    skip: usize,
}

impl Blocks {
    /// Memory for them.
    fn buffer(&self) -> Result<Buffer, IoError> {
        Buffer::zeroed(self.sectors).map_err(|OutOfMemory| IoError::OutOfMemory)
    }

    fn bytes(&self) -> u64 {
        self.sectors.bytes().unwrap_or(u64::MAX)
    }
}

#[derive(Default)]
struct Waiter {
    done: Mutex<Option<Done>>,
    told: Condvar,
}

impl Complete for Waiter {
    fn complete(&self, done: Done) {
        *self.done.lock() = Some(done);
        self.told.notify_one();
    }
}
