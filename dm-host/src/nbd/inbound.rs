//! What comes from a client: bytes, and the requests in them.

use std::io;
use std::io::IoSliceMut;
use std::os::fd::BorrowedFd;

use rustix::io::retry_on_intr;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, recv, recvmsg};

use super::request::{REQUEST_BYTES, Request, RequestError};
use crate::Buffer;

/// Bytes that were received, and the request that waits for the rest of its data.
pub(crate) struct Inbound {
    bytes: Box<[u8]>,
    /// Those of `bytes` that were received and not looked at.
    start: usize,
    end: usize,
    data: Option<Data>,
    /// Bytes of data that nobody wants, still to come.
    unwanted: usize,
}

/// A write, and how much of its data is here.
struct Data {
    request: Request,
    buffer: Buffer,
    filled: usize,
}

/// What was received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Received {
    /// Nothing: the client sends no more.
    Nothing,
    /// All that was there.
    All,
    /// As much as there was room for.
    Some,
}

/// How much to receive at a time, in bytes.
const CAPACITY: usize = 128 << 10;

impl Inbound {
    /// One that begins with bytes that are here already.
    pub(crate) fn new(received: &[u8]) -> Inbound {
        let mut bytes = vec![0; CAPACITY.max(received.len())].into_boxed_slice();
        bytes[..received.len()].copy_from_slice(received);
        Inbound { bytes, start: 0, end: received.len(), data: None, unwanted: 0 }
    }

    /// Receives what there is room for. Waits for the first of it if `wait`, and is an error of kind
    /// `WouldBlock` otherwise.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>, wait: bool) -> io::Result<Received> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let missing = match &mut self.data {
            Some(data) => &mut data.buffer[data.filled..],
            None => &mut [],
        };
        let wanted = missing.len();
        let beyond = &mut self.bytes[self.end..];
        let room = wanted + beyond.len();
        let flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        let received = retry_on_intr(|| {
            if missing.is_empty() {
                return recv(socket, &mut *beyond, flags).map(|(_, bytes)| bytes);
            }
            // Data goes straight to where it is wanted.
            let mut places = [IoSliceMut::new(&mut *missing), IoSliceMut::new(&mut *beyond)];
            let none = &mut RecvAncillaryBuffer::default();
            recvmsg(socket, &mut places, none, flags).map(|received| received.bytes)
        })?;
        if let Some(data) = &mut self.data {
            data.filled += received.min(wanted);
        }
        self.end += received.saturating_sub(wanted);
        Ok(match received {
            0 => Received::Nothing,
            _ if received < room => Received::All,
            _ => Received::Some,
        })
    }

    /// The next request, if all of it is here but for its data.
    ///
    /// Where it has [data](Request::payload), [`want_data`](Self::want_data) or
    /// [`skip_data`](Self::skip_data) must come next.
    pub(crate) fn next_request(&mut self) -> Result<Option<Request>, RequestError> {
        let skipped = self.unwanted.min(self.end - self.start);
        self.start += skipped;
        self.unwanted -= skipped;
        if self.data.is_some() || self.unwanted > 0 {
            return Ok(None);
        }
        let Some(bytes) = self.bytes[self.start..self.end].first_chunk::<REQUEST_BYTES>() else {
            return Ok(None);
        };
        Request::parse(bytes).map(Some)
    }

    /// Takes the request that [`next_request`](Self::next_request) gave off.
    pub(crate) fn accept(&mut self) {
        self.start += REQUEST_BYTES;
    }

    /// Collects the data of `request` in `buffer`, which is as long.
    pub(crate) fn want_data(&mut self, request: Request, mut buffer: Buffer) {
        let here = buffer.len().min(self.end - self.start);
        buffer[..here].copy_from_slice(&self.bytes[self.start..self.start + here]);
        self.start += here;
        self.data = Some(Data { request, buffer, filled: here });
    }

    /// Throws the data of `request` away as it comes.
    pub(crate) fn skip_data(&mut self, request: &Request) {
        self.unwanted = request.payload() as usize;
    }

    /// The request whose data is complete, with its data.
    pub(crate) fn take_data(&mut self) -> Option<(Request, Buffer)> {
        let complete = |data: &mut Data| data.filled == data.buffer.len();
        let Data { request, buffer, .. } = self.data.take_if(complete)?;
        Some((request, buffer))
    }
}
