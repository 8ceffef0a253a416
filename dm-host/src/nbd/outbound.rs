//! What goes to a client: replies, many at a time.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use super::reply::Header;
use crate::Buffer;

/// Replies that wait to be sent.
#[derive(Default)]
pub(crate) struct Outbound {
    replies: VecDeque<Reply>,
    /// How many bytes of the first reply are sent.
    sent: usize,
}

/// A reply; without data the buffer is empty.
pub(crate) struct Reply {
    pub(crate) header: Header,
    pub(crate) data: Buffer,
}

impl Reply {
    fn len(&self) -> usize {
        self.header.as_bytes().len() + self.data.len()
    }
}

/// How many replies go into one system call.
const BATCH: usize = 64;

impl Outbound {
    pub(crate) fn push(&mut self, reply: Reply) {
        self.replies.push_back(reply);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// How many replies wait.
    pub(crate) fn len(&self) -> usize {
        self.replies.len()
    }

    /// Sends as much as the socket takes, without waiting. Calls `sent` with the data of each reply
    /// that is through.
    pub(crate) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        mut sent: impl FnMut(Buffer),
    ) -> io::Result<()> {
        while !self.replies.is_empty() {
            let mut slices = heapless::Vec::<IoSlice<'_>, { 2 * BATCH }>::new();
            let mut skip = self.sent;
            for reply in self.replies.iter().take(BATCH) {
                for part in [reply.header.as_bytes(), &reply.data] {
                    let here = skip.min(part.len());
                    skip -= here;
                    if here < part.len() {
                        // There is room for two a reply.
                        let _ = slices.push(IoSlice::new(&part[here..]));
                    }
                }
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let none = &mut SendAncillaryBuffer::default();
            let result = sendmsg(socket, &slices, none, flags);
            drop(slices);
            match result {
                Ok(bytes) => self.advance(bytes, &mut sent),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn advance(&mut self, bytes: usize, sent: &mut impl FnMut(Buffer)) {
        self.sent += bytes;
        while let Some(first) = self.replies.front()
            && self.sent >= first.len()
        {
            self.sent -= first.len();
            if let Some(reply) = self.replies.pop_front() {
                sent(reply.data);
            }
        }
    }
}
