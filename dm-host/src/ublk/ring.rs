//! The commands of a queue: one waits in the kernel for each request that there may be.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;

use io_uring::{IoUring, opcode, types};

use super::abi::{self, Descriptor};
use super::params::MAX_SECTORS;
use crate::Buffer;
use dm_core::{OutOfMemory, Sectors};

/// A ring with the commands of one queue, their requests, and the memory for those.
pub(super) struct CommandRing {
    uring: IoUring,
    file: File,
    queue: u16,
    descriptors: Descriptors,
    /// For each request that there may be. The buffer is away while its bio is.
    slots: Vec<Slot>,
    /// Requests whose command the kernel may still complete, or that are being carried out.
    alive: usize,
    /// Which of the watched descriptors the kernel watches.
    watched: [bool; WATCHES],
}

struct Slot {
    address: u64,
    buffer: Option<Buffer>,
}

/// What a turn of the ring found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// There is a request of that number.
    Request(u16),
    /// The watched descriptor of that number can be read.
    Readable(usize),
}

/// How many descriptors can be watched.
pub(super) const WATCHES: usize = 2;

/// What the kernel knows them by, the first; the numbers of requests are below it.
const WATCH: u64 = 1 << 16;

impl CommandRing {
    /// For a queue of `depth` requests; `file` is `/dev/ublkcN`. To be used by this thread alone.
    pub(super) fn new(file: File, queue: u16, depth: u16) -> io::Result<CommandRing> {
        let uring = IoUring::new(u32::from(depth) + WATCHES as u32)?;
        let descriptors = Descriptors::map(&file, queue, depth)?;
        let slot = |_| {
            let buffer = Buffer::zeroed(Sectors::new(MAX_SECTORS.into()))?;
            Ok(Slot { address: buffer.start().addr().get() as u64, buffer: Some(buffer) })
        };
        let slots = (0..depth).map(slot).collect::<Result<Vec<_>, OutOfMemory>>();
        let slots = slots.map_err(|OutOfMemory| io::ErrorKind::OutOfMemory)?;
        let mut ring = CommandRing {
            uring,
            file,
            queue,
            descriptors,
            slots,
            alive: depth.into(),
            watched: [false; WATCHES],
        };
        for tag in 0..depth {
            ring.push(abi::FETCH, tag, 0);
        }
        ring.uring.submit()?;
        Ok(ring)
    }

    /// Whether the kernel has ended all commands, and so is done with the memory.
    pub(super) fn has_ended(&self) -> bool {
        self.alive == 0
    }

    /// The request of that number, after it was found.
    pub(super) fn request(&self, tag: u16) -> Descriptor {
        self.descriptors.get(tag)
    }

    /// Memory for a request's data, which a write has its data in; it goes back with the answer.
    pub(super) fn take_buffer(&mut self, tag: u16, sectors: u32) -> Option<Buffer> {
        let buffer = &mut self.slots.get_mut(usize::from(tag))?.buffer;
        // A request that it is too short for would be the kernel's mistake.
        let fits = buffer.as_mut()?.resize(Sectors::new(sectors.into()));
        if fits { buffer.take() } else { None }
    }

    /// Answers a request with a number of bytes, or an error; the kernel gets to know it next turn.
    pub(super) fn answer(&mut self, tag: u16, result: i32, mut buffer: Buffer) {
        if let Some(slot) = self.slots.get_mut(usize::from(tag))
            && slot.buffer.is_none()
        {
            buffer.resize(Sectors::new(MAX_SECTORS.into()));
            slot.buffer = Some(buffer);
        }
        self.push(abi::COMMIT_AND_FETCH, tag, result);
    }

    /// Has turns end when one of these can be read, each once.
    pub(super) fn watch(&mut self, number: usize, fd: RawFd) {
        match self.watched.get_mut(number) {
            Some(watched) if !*watched => *watched = true,
            _ => return,
        }
        let poll = opcode::PollAdd::new(types::Fd(fd), libc::POLLIN as u32).build();
        let poll = poll.user_data(WATCH + number as u64);
        // SAFETY: a poll uses no memory, and takes its own hold of the open file.
        let pushed = unsafe { self.uring.submission().push(&poll) };
        debug_assert!(pushed.is_ok(), "there is room for every command and watch");
    }

    /// Hands over what was answered, waits for something to happen if `wait`, and tells what has.
    pub(super) fn turn(&mut self, wait: bool, events: &mut Vec<Event>) -> io::Result<()> {
        match self.uring.submit_and_wait(usize::from(wait)) {
            Ok(_) => {}
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR | libc::EAGAIN | libc::EBUSY) => {}
                _ => return Err(error),
            },
        }
        for completion in self.uring.completion() {
            let number = completion.user_data();
            match (number.checked_sub(WATCH), completion.result()) {
                (Some(number), _) => {
                    let number = number as usize;
                    if let Some(watched) = self.watched.get_mut(number) {
                        *watched = false;
                        events.push(Event::Readable(number));
                    }
                }
                (None, 0) => events.push(Event::Request(number as u16)),
                // The device is being stopped.
                (None, _) => self.alive -= 1,
            }
        }
        Ok(())
    }

    fn push(&mut self, command: u32, tag: u16, result: i32) {
        let Some(slot) = self.slots.get(usize::from(tag)) else {
            return;
        };
        let words = abi::io_command(self.queue, tag, result, slot.address);
        let fd = types::Fd(self.file.as_raw_fd());
        let entry = opcode::UringCmd16::new(fd, command).cmd(words).build().user_data(tag.into());
        // SAFETY: the address is that of a buffer as long as the device's longest request. It is in
        // its slot, or on its way there, until the kernel has ended the command; see `Drop`.
        let pushed = unsafe { self.uring.submission().push(&entry) };
        debug_assert!(pushed.is_ok(), "each request has one command at a time");
    }
}

impl Drop for CommandRing {
    fn drop(&mut self) {
        if self.alive > 0 {
            // The kernel may still write to it.
            self.slots.drain(..).for_each(std::mem::forget);
        }
    }
}

/// The requests of a queue, which the kernel writes.
struct Descriptors {
    start: NonNull<Descriptor>,
    depth: u16,
    bytes: usize,
}

impl Descriptors {
    fn map(file: &File, queue: u16, depth: u16) -> io::Result<Descriptors> {
        let bytes = (usize::from(depth) * size_of::<Descriptor>()).next_multiple_of(4096);
        let offset = usize::from(queue) * abi::QUEUE_STRIDE;
        let (fd, kind) = (file.as_raw_fd(), libc::MAP_SHARED | libc::MAP_POPULATE);
        let (place, offset) = (std::ptr::null_mut(), offset as libc::off_t);
        // SAFETY: the kernel chooses the place.
        let start = unsafe { libc::mmap(place, bytes, libc::PROT_READ, kind, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Descriptors { start, depth, bytes })
    }

    fn get(&self, tag: u16) -> Descriptor {
        assert!(tag < self.depth, "only commands of ours complete");
        // SAFETY: there are `depth` of them; the kernel writes one before it completes its command,
        // and not again before the next.
        unsafe { self.start.add(tag.into()).read_volatile() }
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // SAFETY: it was mapped so, and is not used after this.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
