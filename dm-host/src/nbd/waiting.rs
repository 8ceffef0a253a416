//! What the thread of a connection waits for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::doorbell::Doorbell;
use crate::host::LocalRing;

/// Waits for the client, for what the ring of this thread carries out, and for other threads: all of
/// it in one system call, which also hands over what was submitted.
pub(crate) struct Waiting<'c> {
    socket: BorrowedFd<'c>,
    ring: Option<LocalRing>,
    /// Can be read when the socket can be written to, or has been disconnected; made when that is
    /// first waited for. The ring's own polls would also end, again and again, when the client has
    /// only said that it sends no more.
    rest: Option<OwnedFd>,
}

/// What is wanted of the socket. If that is nothing, its end is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) input: bool,
    pub(crate) output: bool,
}

/// What has come of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// There is something to be received, or the connection has ended.
    pub(crate) readable: bool,
    /// Nothing was wanted, and the connection has ended.
    pub(crate) ended: bool,
}

/// The numbers of what the ring watches.
const INPUT: u32 = 0;
const REST: u32 = 1;
const DOORBELL: u32 = 2;

impl<'c> Waiting<'c> {
    pub(crate) fn new(socket: BorrowedFd<'c>, ring: Option<LocalRing>) -> Waiting<'c> {
        Waiting { socket, ring, rest: None }
    }

    /// Has the ring carry on, without waiting.
    pub(crate) fn turn(&mut self) -> io::Result<()> {
        self.ring.as_mut().map_or(Ok(false), LocalRing::turn).map(drop)
    }

    /// Whether the ring has jobs. They may be there for others than this client, as those of a mirror
    /// are that its requests have woken, and only this thread carries them on.
    pub(crate) fn has_jobs(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.jobs() > 0)
    }

    /// Whether an earlier wait for something to be received goes on.
    pub(crate) fn is_for_input(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.is_watched(INPUT))
    }

    /// Waits until the socket has something that is `wanted`, the ring has completed something, or
    /// the doorbell rings.
    pub(crate) fn wait(&mut self, wanted: Wanted, doorbell: &Doorbell) -> io::Result<Seen> {
        let Some(ring) = &mut self.ring else {
            return wait_in_poll(self.socket, wanted, doorbell);
        };
        ring.watch(DOORBELL, doorbell.as_fd(), PollFlags::IN);
        if wanted.input {
            ring.watch(INPUT, self.socket, PollFlags::IN);
        }
        if wanted.output || !wanted.input {
            let rest = match self.rest.take() {
                Some(rest) => rest,
                None => new_rest(self.socket)?,
            };
            let rest = self.rest.insert(rest);
            let events = if wanted.output { EventFlags::OUT } else { EventFlags::empty() };
            epoll::modify(&*rest, self.socket, EventData::new_u64(0), events)?;
            ring.watch(REST, rest.as_fd(), PollFlags::IN);
        }
        ring.wait()?;
        if ring.take_seen(DOORBELL) {
            doorbell.silence();
        }
        let readable = ring.take_seen(INPUT);
        // It may have been watched for something else before.
        let ended = ring.take_seen(REST) && !wanted.output && is_disconnected(self.socket);
        Ok(Seen { readable, ended: ended && !wanted.input })
    }
}

fn new_rest(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let rest = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&rest, socket, EventData::new_u64(0), EventFlags::empty())?;
    Ok(rest)
}

fn is_disconnected(socket: BorrowedFd<'_>) -> bool {
    let mut socket = [PollFd::from_borrowed_fd(socket, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut socket, Some(&now)).is_ok_and(|ready| ready > 0)
}

fn wait_in_poll(socket: BorrowedFd<'_>, wanted: Wanted, doorbell: &Doorbell) -> io::Result<Seen> {
    let mut events = PollFlags::empty();
    events.set(PollFlags::IN, wanted.input);
    events.set(PollFlags::OUT, wanted.output);
    let socket = PollFd::from_borrowed_fd(socket, events);
    let mut waited_for = [socket, PollFd::new(doorbell, PollFlags::IN)];
    match poll(&mut waited_for, None) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Seen::default()),
        Err(errno) => return Err(errno.into()),
    }
    let [socket, rung] = waited_for.map(|fd| fd.revents());
    if rung.contains(PollFlags::IN) {
        doorbell.silence();
    }
    let ended = socket.intersects(PollFlags::HUP | PollFlags::ERR);
    let readable = wanted.input && (ended || socket.contains(PollFlags::IN));
    Ok(Seen { readable, ended: ended && !wanted.input && !wanted.output })
}
