//! One queue, and the thread that serves it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use dm_core::table_text::SECTOR_SIZE;
use dm_core::{BioFlags, IoError, Open, Sector, Sectors};

use super::abi::{self, Descriptor};
use super::ring::{CommandRing, Event};
use crate::host::{Counter, LocalRing, RingWaiting};
use crate::inbox::Inbox;
use crate::{Buffer, Done, Mapper, UserBio, UserHost, Zeroing};

/// How many requests of a queue are on their way at most.
pub(super) const DEPTH: u16 = 64;

/// A queue's requests, on their way through a mapped device.
pub(super) struct Queue {
    /// Dropped first: it waits for the jobs that are in it.
    jobs: Option<LocalRing>,
    open: Arc<Open<UserHost>>,
    commands: CommandRing,
    inbox: Inbox,
    counter: Counter,
    completed: Vec<Done>,
    events: Vec<Event>,
}

/// The watched descriptors.
const DOORBELL: usize = 0;
const JOBS: usize = 1;

impl Queue {
    /// Gives all its commands to the kernel. To be called by the thread that [runs](Self::run) it.
    pub(super) fn new(
        mapper: &Mapper,
        open: Arc<Open<UserHost>>,
        file: File,
        number: u16,
    ) -> io::Result<Queue> {
        Ok(Queue {
            jobs: mapper.host().local_ring(RingWaiting::OnDescriptor),
            inbox: Inbox::new()?,
            counter: mapper.host().counter(&open),
            commands: CommandRing::new(file, number, DEPTH)?,
            open,
            completed: Vec::new(),
            events: Vec::new(),
        })
    }

    /// Serves it until the device is stopped.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let mut wait = false;
        while !self.commands.has_ended() {
            if wait {
                self.inbox.doorbell().about_to_sleep();
                wait = self.inbox.is_empty();
            }
            if wait {
                self.commands.watch(DOORBELL, self.inbox.doorbell().as_fd().as_raw_fd());
                if let Some(jobs) = &self.jobs {
                    self.commands.watch(JOBS, jobs.as_fd().as_raw_fd());
                }
            }
            let mut events = std::mem::take(&mut self.events);
            self.commands.turn(wait, &mut events)?;
            self.inbox.doorbell().awake();
            wait = events.is_empty();
            for event in events.drain(..) {
                match event {
                    Event::Request(tag) => self.start(tag),
                    Event::Readable(DOORBELL) => self.inbox.doorbell().silence(),
                    Event::Readable(_) => {}
                }
            }
            self.events = events;
            if let Some(jobs) = &mut self.jobs {
                wait &= !jobs.turn()?;
            }
            wait &= !self.answer();
        }
        Ok(())
    }

    fn start(&mut self, tag: u16) {
        match self.bio(tag) {
            Ok(bio) => self.open.submit(self.counter.count(&self.open, bio)),
            Err(error) => self.commands.answer(tag, error, Buffer::default()),
        }
    }

    /// A bio for a request, or the error that answers it.
    fn bio(&mut self, tag: u16) -> Result<UserBio, i32> {
        let Descriptor { op_flags, sectors, start, .. } = self.commands.request(tag);
        let (start, length) = (Sector::new(start), Sectors::new(sectors.into()));
        let (number, then) = (tag.into(), self.inbox.address());
        let fua = op_flags & abi::IO_FUA != 0;
        let flags = if fua { BioFlags::FUA } else { BioFlags::empty() };
        let mut buffer = || self.commands.take_buffer(tag, sectors).ok_or(-libc::EIO);
        Ok(match op_flags & 0xff {
            abi::OP_READ => UserBio::read(start, buffer()?, number, then),
            abi::OP_WRITE => UserBio::write(start, buffer()?, number, then).with_flags(flags),
            abi::OP_FLUSH => UserBio::flush(number, then),
            abi::OP_DISCARD => UserBio::discard(start, length, number, then),
            abi::OP_WRITE_ZEROES => {
                let keep = op_flags & abi::IO_NO_UNMAP != 0;
                let zeroing = if keep { Zeroing::ALLOCATED } else { Zeroing::empty() };
                let bio = UserBio::write_zeroes(start, length, number, then);
                bio.with_flags(flags).with_zeroing(zeroing)
            }
            _ => return Err(-libc::EOPNOTSUPP),
        })
    }

    /// Answers the requests that have completed. Returns whether any had.
    fn answer(&mut self) -> bool {
        self.inbox.take(&mut self.completed);
        let any = !self.completed.is_empty();
        for Done { tag, result, buffer } in self.completed.drain(..) {
            let tag = tag as u16;
            let bytes = self.commands.request(tag).sectors.saturating_mul(SECTOR_SIZE as u32);
            let result = match result {
                Ok(()) => i32::try_from(bytes).unwrap_or(i32::MAX),
                Err(IoError::NotSupported) => -libc::EOPNOTSUPP,
                Err(IoError::NoSpace) => -libc::ENOSPC,
                Err(IoError::OutOfMemory) => -libc::ENOMEM,
                Err(_) => -libc::EIO,
            };
            self.commands.answer(tag, result, buffer);
        }
        any
    }
}
