//! One queue, and the thread that serves it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use dm_core::{BioFlags, OutOfMemory, Sectors};
use vhost_user_backend::{VringMutex, VringT};
use virtio_queue::QueueT;
use vm_memory::GuestAddressSpace;

use super::disk::{Disk, GuestMemory};
use super::request::{self, Action, Chain, NAME_BYTES, Status};
use crate::host::{BufferPool, Counter, LocalRing, RingWaiting};
use crate::inbox::Inbox;
use crate::{Buffer, Done, UserBio};

/// The requests of a queue on their way, and those that wait for the ones before them.
pub(super) struct Worker {
    /// Dropped first: it waits for the requests that are in it.
    ring: Option<LocalRing>,
    inbox: Inbox,
    counter: Counter,
    completed: Vec<Done>,
    /// In the order in which they came.
    requests: VecDeque<Request>,
    /// The tag of the first of them.
    first: u64,
    /// Bytes of the buffers of all of them.
    held: usize,
    buffers: BufferPool,
}

struct Request {
    chain: Chain,
    is_read: bool,
    /// How it went, once that is known, and what it has read.
    answer: Option<(Status, Buffer)>,
}

/// How many bytes a queue may have in flight, unless a single request is longer.
const MAX_HELD: usize = 4 << 20;

impl Worker {
    pub(super) fn new(disk: &Disk) -> io::Result<Worker> {
        Ok(Worker {
            ring: disk.mapper().host().local_ring(RingWaiting::OnDescriptor),
            inbox: Inbox::new()?,
            counter: disk.mapper().host().counter(disk.open()),
            completed: Vec::new(),
            requests: VecDeque::new(),
            first: 0,
            held: 0,
            buffers: BufferPool::default(),
        })
    }

    /// What can be read when [`run`](Self::run) has something to do besides new requests.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let ring = self.ring.as_ref().map(|ring| ring.as_fd().as_raw_fd());
        [self.inbox.doorbell().as_fd().as_raw_fd()].into_iter().chain(ring)
    }

    /// Takes note that the first of the descriptors could be read.
    pub(super) fn silence(&self) {
        self.inbox.doorbell().silence();
    }

    /// Carries out requests until there is nothing to do but wait. `in_flight` counts them.
    pub(super) fn run(
        &mut self,
        disk: &Disk,
        vring: &VringMutex<GuestMemory>,
        in_flight: &AtomicUsize,
    ) -> io::Result<()> {
        loop {
            self.inbox.doorbell().awake();
            // It fails where the machine's memory is gone, and its requests with it.
            let _ = vring.disable_notification();
            let mut busy = self.take_requests(disk, vring, in_flight);
            if let Some(ring) = &mut self.ring {
                busy |= ring.turn()?;
            }
            busy |= self.take_completed();
            self.answer(vring, in_flight)?;
            if busy {
                continue;
            }
            self.inbox.doorbell().about_to_sleep();
            let more = self.has_room() && vring.enable_notification().unwrap_or(false);
            if !more && self.inbox.is_empty() {
                return Ok(());
            }
        }
    }

    fn has_room(&self) -> bool {
        self.requests.is_empty() || self.held < MAX_HELD
    }

    /// Submits what is in the queue. Returns whether there was anything.
    fn take_requests(
        &mut self,
        disk: &Disk,
        vring: &VringMutex<GuestMemory>,
        in_flight: &AtomicUsize,
    ) -> bool {
        let mut any = false;
        while self.has_room() {
            let chain = {
                let mut state = vring.get_mut();
                let memory = disk.memory().memory();
                let chain = state.get_queue_mut().pop_descriptor_chain(memory);
                // Before the lock is let go of: who stops the queue takes it, and then waits.
                in_flight.fetch_add(usize::from(chain.is_some()), Ordering::SeqCst);
                chain
            };
            let Some(chain) = chain else {
                break;
            };
            any = true;
            self.start(disk, chain);
        }
        any
    }

    fn start(&mut self, disk: &Disk, chain: Chain) {
        let action = request::parse(&chain);
        let tag = self.first + self.requests.len() as u64;
        let bio = match action {
            Ok(action) => self.bio(disk, &chain, action, tag),
            Err(status) => Err((status, Buffer::default())),
        };
        let is_read = matches!(action, Ok(Action::Read { .. } | Action::Name));
        let (bio, answer) = match bio {
            Ok(bio) => (Some(bio), None),
            Err(answer) => (None, Some(answer)),
        };
        self.requests.push_back(Request { chain, is_read, answer });
        if let Some(bio) = bio {
            disk.open().submit(self.counter.count(disk.open(), bio));
        }
    }

    /// A bio for a request, or the answer where none is needed.
    fn bio(
        &mut self,
        disk: &Disk,
        chain: &Chain,
        action: Action,
        tag: u64,
    ) -> Result<UserBio, (Status, Buffer)> {
        let then = self.inbox.address();
        match action {
            Action::Read { start, sectors } => {
                Ok(UserBio::read(start, self.buffer(sectors)?, tag, then))
            }
            Action::Write { start, sectors } => {
                let mut buffer = self.buffer(sectors)?;
                if let Err(status) = request::read_data(chain, &mut buffer) {
                    return Err((status, buffer));
                }
                Ok(UserBio::write(start, buffer, tag, then))
            }
            Action::Discard { start, sectors } => Ok(UserBio::discard(start, sectors, tag, then)),
            Action::WriteZeroes { start, sectors, zeroing } => {
                let bio = UserBio::write_zeroes(start, sectors, tag, then);
                Ok(bio.with_flags(BioFlags::empty()).with_zeroing(zeroing))
            }
            Action::Flush => Ok(UserBio::flush(tag, then)),
            Action::Name => {
                let mut buffer = self.buffer(Sectors::new(1))?;
                buffer.fill(0);
                let name = disk.open().device().name();
                let name = name.as_str().as_bytes();
                let length = name.len().min(NAME_BYTES);
                buffer[..length].copy_from_slice(&name[..length]);
                Err((Status::Done, buffer))
            }
        }
    }

    /// A buffer of that length, held until its request is answered.
    fn buffer(&mut self, sectors: Sectors) -> Result<Buffer, (Status, Buffer)> {
        let taken = self.buffers.take(sectors);
        let buffer = taken.map_err(|OutOfMemory| (Status::Failed, Buffer::default()))?;
        self.held += buffer.len();
        Ok(buffer)
    }

    /// Notes what has completed. Returns whether anything had.
    fn take_completed(&mut self) -> bool {
        self.inbox.take(&mut self.completed);
        let any = !self.completed.is_empty();
        for Done { tag, result, buffer } in self.completed.drain(..) {
            let place = tag.wrapping_sub(self.first) as usize;
            if let Some(request) = self.requests.get_mut(place) {
                let status = match result {
                    Ok(()) => Status::Done,
                    Err(dm_core::IoError::NotSupported) => Status::Unsupported,
                    Err(_) => Status::Failed,
                };
                request.answer = Some((status, buffer));
            }
        }
        any
    }

    /// Answers the requests that have completed, as far as those before them have.
    fn answer(
        &mut self,
        vring: &VringMutex<GuestMemory>,
        in_flight: &AtomicUsize,
    ) -> io::Result<()> {
        let mut answered = 0;
        while let Some(Request { chain, is_read, answer }) = self.requests.front_mut() {
            let Some((status, buffer)) = answer.take() else {
                break;
            };
            let data = if *is_read && status == Status::Done { &buffer[..] } else { &[] };
            let written = request::answer(chain, data, status);
            // It fails where the ring is outside of the machine's memory: nobody waits there.
            if let Err(error) = vring.add_used(chain.head_index(), written) {
                tracing::debug!("a request of a virtual machine is not answered: {error}");
            }
            self.held -= buffer.len();
            self.buffers.give(buffer);
            self.requests.pop_front();
            self.first += 1;
            answered += 1;
        }
        if answered > 0 && vring.needs_notification().unwrap_or(true) {
            vring.signal_used_queue()?;
        }
        in_flight.fetch_sub(answered, Ordering::SeqCst);
        Ok(())
    }
}
