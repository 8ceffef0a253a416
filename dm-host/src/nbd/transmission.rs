//! The second part of a connection: requests and replies.

use std::io;
use std::os::fd::BorrowedFd;

use super::connection::ConnectionError;
use super::export::Export;
use super::handshake::Agreed;
use super::inbound::{Inbound, Received};
use super::outbound::{Outbound, Reply};
use super::protocol::ErrorCode;
use super::reply::{Header, Kind};
use super::request::{Action, Request};
use super::waiting::{Waiting, Wanted};
use crate::host::{BufferPool, Counter, RingWaiting};
use crate::inbox::Inbox;
use crate::{Buffer, Done, UserBio, UserHost};
use dm_core::{OutOfMemory, Sectors};

/// A client's requests on their way through an export, and the replies on their way back.
///
/// One thread does it all. It takes requests from the socket, submits them, lets its ring carry
/// them out, and sends what has completed, each of these for as many as there are at once. Requests
/// that complete on other threads are left in its inbox. Replies go out in the order of completion.
pub(crate) struct Transmission<'c> {
    socket: BorrowedFd<'c>,
    /// Dropped first: its ring waits for the requests that are in it.
    waiting: Waiting<'c>,
    export: Export,
    counter: Counter,
    structured: bool,
    inbound: Inbound,
    outbound: Outbound,
    inbox: Inbox,
    completed: Vec<Done>,
    /// Requests that were received together, to be submitted so.
    together: Vec<UserBio>,
    /// The requests that have not completed, by their tags.
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Bytes of the buffers of requests that were not answered yet.
    held: usize,
    buffers: BufferPool,
    /// Whether the socket may have something to be received.
    readable: bool,
    /// Whether a request is here that must wait until others are done.
    stalled: bool,
    /// Whether no more requests are taken.
    leaving: bool,
}

/// A request that was submitted.
#[derive(Clone, Copy)]
struct Slot {
    cookie: u64,
    kind: Kind,
    is_read: bool,
}

/// How many bytes a client may have in flight, unless a single request is longer.
const MAX_HELD: usize = 4 << 20;

/// After how many bytes of requests their replies are sent, while their data is in the CPU's cache.
const BATCH: usize = 256 << 10;

/// How many requests a client may have in flight.
const MAX_REQUESTS: usize = 1024;

impl<'c> Transmission<'c> {
    /// Begins with the bytes that came after the handshake.
    pub(crate) fn new(
        socket: BorrowedFd<'c>,
        host: &UserHost,
        agreed: Agreed<Export>,
        received: &[u8],
    ) -> io::Result<Transmission<'c>> {
        Ok(Transmission {
            socket,
            waiting: Waiting::new(socket, host.local_ring(RingWaiting::InTurn)),
            counter: host.counter(&agreed.export.open),
            export: agreed.export,
            structured: agreed.structured,
            inbound: Inbound::new(received),
            outbound: Outbound::default(),
            inbox: Inbox::new()?,
            completed: Vec::new(),
            together: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            held: 0,
            buffers: BufferPool::default(),
            readable: true,
            stalled: false,
            leaving: false,
        })
    }

    /// Serves until the client leaves.
    pub(crate) fn run(mut self) -> Result<(), ConnectionError> {
        loop {
            self.inbox.doorbell().awake();
            let more = self.receive()?;
            self.take_completed();
            self.send()?;
            if self.leaving && self.is_idle() {
                return Ok(());
            }
            if more {
                self.waiting.turn()?;
            } else if self.sleep()? == Peer::Gone {
                return Ok(());
            }
        }
    }

    /// Whether nothing is to be done for the client.
    fn is_idle(&self) -> bool {
        self.in_flight() == 0 && self.outbound.is_empty()
    }

    fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes requests from the client; waits for them if there is nothing else to wait for. Returns
    /// whether there may be more of them.
    fn receive(&mut self) -> Result<bool, ConnectionError> {
        if self.take_requests()? {
            return Ok(true);
        }
        let wait = self.waits_for_client_alone();
        if self.leaving || self.stalled || !(self.readable || wait) {
            return Ok(false);
        }
        match self.inbound.receive(self.socket, wait) {
            Ok(Received::Nothing) => self.leaving = true,
            Ok(Received::All) => self.readable = false,
            Ok(Received::Some) => self.readable = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(error) => return Err(error.into()),
        }
        self.take_requests()?;
        let takes_more = !self.leaving && !self.stalled;
        Ok(takes_more && (self.readable || self.inbound.next_request()?.is_some()))
    }

    /// Whether a call that receives may block.
    fn waits_for_client_alone(&self) -> bool {
        let takes_more = !self.leaving && !self.stalled;
        let others_wait = self.waiting.has_jobs() || self.waiting.is_for_input();
        takes_more && self.is_idle() && !others_wait
    }

    /// Submits the requests that have been received, also those before one that is none. Returns
    /// whether there were any.
    fn take_requests(&mut self) -> Result<bool, ConnectionError> {
        let taken = self.collect_requests();
        self.export.open.submit_all(self.together.drain(..));
        taken
    }

    fn collect_requests(&mut self) -> Result<bool, ConnectionError> {
        let (mut any, mut bytes) = (false, 0);
        while !self.leaving && bytes < BATCH {
            if let Some((request, data)) = self.inbound.take_data() {
                self.submit_write(&request, data);
                any = true;
            }
            let Some(request) = self.inbound.next_request()? else {
                break;
            };
            self.stalled = !self.has_room_for(&request);
            if self.stalled {
                break;
            }
            self.inbound.accept();
            bytes += request.data() as usize;
            self.start(request);
            any = true;
        }
        Ok(any)
    }

    fn has_room_for(&self, request: &Request) -> bool {
        let bytes = request.data() as usize;
        let requests = self.in_flight() + self.outbound.len();
        requests < MAX_REQUESTS && (self.held == 0 || self.held + bytes <= MAX_HELD)
    }

    fn start(&mut self, request: Request) {
        let action = request.action(&self.export.bounds);
        let (then, tag) = (self.inbox.address(), self.next_tag());
        let bio = match action {
            Ok(Action::Disconnect) => {
                self.leaving = true;
                return;
            }
            Ok(Action::Read(extent)) => match self.buffer(extent.sectors) {
                Ok(buffer) => UserBio::read(extent.start, buffer, tag, then),
                Err(code) => return self.refuse(&request, code),
            },
            Ok(Action::Write(extent, _)) => {
                return match self.buffer(extent.sectors) {
                    Ok(buffer) => self.inbound.want_data(request, buffer),
                    Err(code) => self.refuse(&request, code),
                };
            }
            Ok(Action::Flush) => UserBio::flush(tag, then),
            Ok(Action::Trim(extent, flags)) => {
                UserBio::discard(extent.start, extent.sectors, tag, then).with_flags(flags)
            }
            Ok(Action::WriteZeroes(extent, flags, zeroing)) => {
                let bio = UserBio::write_zeroes(extent.start, extent.sectors, tag, then);
                bio.with_flags(flags).with_zeroing(zeroing)
            }
            Err(code) => return self.refuse(&request, code),
        };
        self.submit(&request, bio);
    }

    fn submit_write(&mut self, request: &Request, data: Buffer) {
        let (then, tag) = (self.inbox.address(), self.next_tag());
        match request.action(&self.export.bounds) {
            Ok(Action::Write(extent, flags)) => {
                let bio = UserBio::write(extent.start, data, tag, then).with_flags(flags);
                self.submit(request, bio);
            }
            // It was a good one when it came.
            _ => self.reply(self.kind(request), request.cookie, Err(ErrorCode::Invalid)),
        }
    }

    /// Has `bio`, which has the next tag, submitted for `request`.
    fn submit(&mut self, request: &Request, bio: UserBio) {
        let slot =
            Slot { cookie: request.cookie, kind: self.kind(request), is_read: request.is_read() };
        match self.free.pop() {
            Some(n) => self.slots[n as usize] = slot,
            None => self.slots.push(slot),
        }
        self.together.push(self.counter.count(&self.export.open, bio));
    }

    /// The tag of the request that is submitted next.
    fn next_tag(&self) -> u64 {
        self.free.last().map_or(self.slots.len() as u64, |&n| n.into())
    }

    fn kind(&self, request: &Request) -> Kind {
        match self.structured && request.is_read() {
            true => Kind::Chunk { offset: request.offset },
            false => Kind::Simple,
        }
    }

    fn refuse(&mut self, request: &Request, code: ErrorCode) {
        self.inbound.skip_data(request);
        self.reply(self.kind(request), request.cookie, Err(code));
    }

    fn reply(&mut self, kind: Kind, cookie: u64, result: Result<Buffer, ErrorCode>) {
        let length = result.as_ref().map(|data| data.len() as u32).map_err(|&code| code);
        let header = Header::new(kind, cookie, length);
        self.outbound.push(Reply { header, data: result.unwrap_or_default() });
    }

    /// Makes replies of what has completed.
    fn take_completed(&mut self) {
        self.inbox.take(&mut self.completed);
        let mut completed = std::mem::take(&mut self.completed);
        for Done { tag, result, buffer } in completed.drain(..) {
            let Some(&Slot { cookie, kind, is_read }) = self.slots.get(tag as usize) else {
                continue;
            };
            self.free.push(tag as u32);
            let result = match result {
                Ok(()) if is_read => Ok(buffer),
                done => {
                    release(&mut self.held, &mut self.buffers, buffer);
                    done.map(|()| Buffer::default()).map_err(ErrorCode::from)
                }
            };
            self.reply(kind, cookie, result);
        }
        self.completed = completed;
    }

    fn send(&mut self) -> Result<(), ConnectionError> {
        let (held, buffers) = (&mut self.held, &mut self.buffers);
        let sent = self.outbound.send(self.socket, |data| release(held, buffers, data));
        sent.map_err(ConnectionError::from)
    }

    /// A buffer of that length, held until it is [released](release).
    fn buffer(&mut self, sectors: Sectors) -> Result<Buffer, ErrorCode> {
        let buffer = self.buffers.take(sectors).map_err(|OutOfMemory| ErrorCode::NoMemory)?;
        self.held += buffer.len();
        Ok(buffer)
    }

    /// Waits until there is something to do. Says whether there is somebody to do it for.
    fn sleep(&mut self) -> Result<Peer, ConnectionError> {
        // Replies that went out may have made room.
        let next = if self.stalled { self.inbound.next_request()? } else { None };
        if next.is_some_and(|request| self.has_room_for(&request)) {
            return Ok(Peer::There);
        }
        if self.waits_for_client_alone() {
            return Ok(Peer::There);
        }
        self.inbox.doorbell().about_to_sleep();
        if !self.inbox.is_empty() {
            return Ok(Peer::There);
        }
        let input = !self.leaving && !self.stalled;
        let wanted = Wanted { input, output: !self.outbound.is_empty() };
        let seen = self.waiting.wait(wanted, self.inbox.doorbell())?;
        self.readable |= seen.readable;
        // What it sent before it left is still taken, if it can be.
        Ok(if seen.ended { Peer::Gone } else { Peer::There })
    }
}

/// Whether the client can still be answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Peer {
    There,
    Gone,
}

/// Takes a buffer off those that count, and keeps it for others.
fn release(held: &mut usize, buffers: &mut BufferPool, buffer: Buffer) {
    *held -= buffer.len();
    buffers.give(buffer);
}

#[cfg(test)]
mod tests;
