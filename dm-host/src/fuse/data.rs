//! The file `data`: a mapped device as bytes.

use std::sync::Arc;

use dm_core::table_text::SECTOR_SIZE;
use dm_core::{BioFlags, Open, Sector, Sectors};
use fuser::{Errno, ReplyData, ReplyEmpty, ReplyWrite};
use parking_lot::Mutex;

use super::background::in_background;
use super::error;
use super::record::{Asked, Record};
use crate::{BlockIo, Buffer, Done, UserBio, UserHost, Zeroing};

/// An open `data`. Its methods return at once; the reply goes out when the device has answered.
pub(super) struct Data {
    io: BlockIo,
    record: Option<Record>,
}

impl Data {
    pub(super) fn new(open: Open<UserHost>, host: &UserHost, record: Option<Record>) -> Data {
        Data { io: BlockIo::counted(open, host), record }
    }

    pub(super) fn len(&self) -> u64 {
        self.io.len()
    }

    pub(super) fn read(self: Arc<Self>, offset: u64, size: u32, reply: ReplyData) {
        let size = u64::from(size).min(self.len().saturating_sub(offset));
        if size == 0 {
            return reply.data(&[]);
        }
        self.note(Asked::Read, offset, size);
        let Some(buffer) = self.blocks(offset, size) else {
            return in_background(reply, move |reply| {
                let mut bytes = vec![0; size as usize];
                let read = self.io.read_at(&mut bytes, offset);
                // Before the reply, so that whoever gets it can remove the device.
                drop(self);
                match read {
                    Ok(length) => reply.data(&bytes[..length]),
                    Err(why) => reply.error(error::of_io(why)),
                }
            });
        };
        let Ok(buffer) = buffer else {
            return reply.error(Errno::ENOMEM);
        };
        let then = once(reply, |reply: ReplyData, done| match done.result {
            Ok(()) => reply.data(&done.buffer),
            Err(why) => reply.error(error::of_io(why)),
        });
        self.io.submit(UserBio::read(sector(offset), buffer, 0, then));
    }

    pub(super) fn write(self: Arc<Self>, offset: u64, bytes: &[u8], reply: ReplyWrite) {
        let room = self.len().saturating_sub(offset);
        let size = room.min(bytes.len() as u64);
        if size == 0 && !bytes.is_empty() {
            return reply.error(Errno::ENOSPC);
        }
        let bytes = &bytes[..size as usize];
        self.note(Asked::Write, offset, size);
        let Some(buffer) = self.blocks(offset, size) else {
            let bytes = bytes.to_vec();
            return in_background(reply, move |reply| {
                let written = self.io.write_at(&bytes, offset, BioFlags::empty());
                drop(self);
                match written {
                    Ok(length) => reply.written(length as u32),
                    Err(why) => reply.error(error::of_io(why)),
                }
            });
        };
        let Ok(mut buffer) = buffer else {
            return reply.error(Errno::ENOMEM);
        };
        buffer.copy_from_slice(bytes);
        let then = once(reply, |reply: ReplyWrite, done| match done.result {
            Ok(()) => reply.written(done.buffer.len() as u32),
            Err(why) => reply.error(error::of_io(why)),
        });
        self.io.submit(UserBio::write(sector(offset), buffer, 0, then));
    }

    /// Makes what was written last, on every device underneath.
    pub(super) fn sync(&self, reply: ReplyEmpty) {
        self.note(Asked::Flush, 0, 0);
        let then = once(reply, |reply: ReplyEmpty, done| answer(reply, done.result));
        self.io.submit(UserBio::flush(0, then));
    }

    /// Makes a range read as zeros, and gives its place up unless it shall be kept.
    pub(super) fn zero(
        self: Arc<Self>,
        offset: u64,
        length: u64,
        zeroing: Zeroing,
        reply: ReplyEmpty,
    ) {
        let length = length.min(self.len().saturating_sub(offset));
        let keeps = zeroing.contains(Zeroing::ALLOCATED);
        self.note(if keeps { Asked::Zero } else { Asked::Discard }, offset, length);
        in_background(reply, move |reply| {
            let zeroed = self.io.write_zeroes(offset, length, zeroing);
            drop(self);
            answer(reply, zeroed);
        });
    }

    /// Writes the request down, where that is wanted.
    fn note(&self, asked: Asked, offset: u64, length: u64) {
        if let Some(record) = &self.record {
            record.note(&self.io.open().device().name(), asked, offset, length);
        }
    }

    /// Memory for `size` bytes at `offset`; `None` unless they are whole blocks of the device.
    fn blocks(&self, offset: u64, size: u64) -> Option<Result<Buffer, Errno>> {
        let block = self.io.open().limits().logical_block.bytes().unwrap_or(SECTOR_SIZE);
        let is_whole = size > 0 && (offset | size) & (block - 1) == 0;
        let buffer = || Buffer::zeroed(Sectors::from_bytes(size)).map_err(|_| Errno::ENOMEM);
        is_whole.then(buffer)
    }
}

fn sector(offset: u64) -> Sector {
    Sector::new(offset / SECTOR_SIZE)
}

fn answer(reply: ReplyEmpty, result: Result<(), dm_core::IoError>) {
    match result {
        Ok(()) => reply.ok(),
        Err(why) => reply.error(error::of_io(why)),
    }
}

/// What is called once with the reply, when the request has completed.
fn once<R: Send + 'static>(
    reply: R,
    then: impl Fn(R, Done) + Send + Sync + 'static,
) -> Arc<dyn crate::Complete> {
    let reply = Mutex::new(Some(reply));
    Arc::new(move |done: Done| {
        let reply = reply.lock().take();
        if let Some(reply) = reply {
            then(reply, done);
        }
    })
}
