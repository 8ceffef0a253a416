//! Between a socket that speaks TLS and one that does not.

use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, recv, send, shutdown,
    socketpair,
};
use rustls::Connection;

use super::handshake::{Socket, TlsError};

/// A thread that encrypts and decrypts, from when TLS has begun until either side leaves.
///
/// It holds a few pieces of data each way and takes no more until they are gone, so that whoever is
/// slow slows down the other side.
pub(crate) struct Relay {
    thread: JoinHandle<Result<(), TlsError>>,
}

/// How much is taken from a socket at once, in bytes; four records of TLS.
const PIECE: usize = 64 << 10;

/// How long the peer may take nothing once this side is done.
const LINGER: Duration = Duration::from_secs(5);

impl Relay {
    /// Starts relaying between `outer`, on which `tls` has begun, and the socket that is returned.
    ///
    /// When that one is closed, or shut for writing, the peer is sent what there is and told that it
    /// was all. When the peer is done, it can be read to its end, and written still.
    pub(crate) fn start(tls: Connection, outer: OwnedFd) -> io::Result<(OwnedFd, Relay)> {
        let (inner, near) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        rustix::io::ioctl_fionbio(&outer, true)?;
        rustix::io::ioctl_fionbio(&inner, true)?;
        let builder = std::thread::Builder::new().name("nbd-tls".into());
        let thread = builder.spawn(move || {
            Pump {
                tls,
                arriving: BufReader::with_capacity(PIECE, Outer::new(outer.as_fd())),
                inner: &inner,
                inner_readable: true,
                inbound: Piece::new(),
                outbound: vec![0; PIECE],
                inbound_over: false,
                outbound_over: false,
                abandoned: false,
            }
            .run()
        })?;
        Ok((near, Relay { thread }))
    }

    /// Waits until it has ended; says how.
    pub(crate) fn wait(self) -> Result<(), TlsError> {
        let panicked = |_| Err(io::Error::other("the relay of TLS panicked").into());
        self.thread.join().unwrap_or_else(panicked)
    }
}

struct Pump<'s> {
    tls: Connection,
    /// What comes from the peer, encrypted.
    arriving: BufReader<Outer<'s>>,
    inner: &'s OwnedFd,
    /// Whether it may have something to be received.
    inner_readable: bool,
    /// Decrypted, to be sent to the inner socket.
    inbound: Piece,
    /// Room for what is to be encrypted.
    outbound: Vec<u8>,
    /// Nothing more goes to the inner socket: the peer is done, or nobody takes it.
    inbound_over: bool,
    /// Nothing more comes from the inner socket.
    outbound_over: bool,
    /// The other end of the inner socket was closed; there may be something left in it.
    abandoned: bool,
}

impl Pump<'_> {
    fn run(mut self) -> Result<(), TlsError> {
        loop {
            let busy = self.bring_in()? | self.carry_out()?;
            if self.outbound_over && !self.tls.wants_write() {
                return Ok(());
            }
            if !busy {
                self.sleep()?;
            }
        }
    }

    /// Does a step from the peer to the inner socket. Returns whether there was one to be done.
    fn bring_in(&mut self) -> Result<bool, TlsError> {
        if self.inbound_over {
            return Ok(false);
        }
        if let Some(bytes) = self.inbound.left() {
            match send(self.inner, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => self.inbound.from += sent,
                Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
                Err(_) => self.inbound_over = true,
            }
            return Ok(true);
        }
        match self.tls.reader().read(&mut self.inbound.bytes) {
            Ok(0) => self.end_inbound(),
            Ok(read) => (self.inbound.from, self.inbound.until) = (0, read),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => return self.decrypt(),
                // It left without a word. What it had to say, NBD's lengths tell.
                io::ErrorKind::UnexpectedEof => self.end_inbound(),
                _ => return Err(error.into()),
            },
        }
        Ok(true)
    }

    /// Takes what the peer has sent. Returns whether there was anything.
    fn decrypt(&mut self) -> Result<bool, TlsError> {
        match self.tls.read_tls(&mut self.arriving) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        if let Err(error) = self.tls.process_new_packets() {
            // It says why; if that cannot be told, nothing is lost.
            let _ = self.tls.write_tls(&mut self.arriving.get_mut().socket);
            return Err(error.into());
        }
        Ok(true)
    }

    fn end_inbound(&mut self) {
        self.inbound_over = true;
        // It fails where nobody is there to read.
        let _ = shutdown(self.inner, Shutdown::Write);
    }

    /// Does a step from the inner socket to the peer. Returns whether there was one to be done.
    fn carry_out(&mut self) -> Result<bool, TlsError> {
        if self.inner_readable && !self.outbound_over && !self.tls.wants_write() {
            let received = recv(self.inner, &mut self.outbound[..], RecvFlags::empty());
            self.inner_readable = received.is_ok_and(|(bytes, _)| bytes == PIECE);
            match received {
                Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
                Ok((0, _)) | Err(_) => {
                    (self.inbound_over, self.outbound_over) = (true, true);
                    self.tls.send_close_notify();
                }
                Ok((received, _)) => self.tls.writer().write_all(&self.outbound[..received])?,
            }
        }
        if !self.tls.wants_write() {
            return Ok(false);
        }
        match self.tls.write_tls(&mut self.arriving.get_mut().socket) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn sleep(&mut self) -> Result<(), TlsError> {
        let (mut outside, mut inside) = (PollFlags::empty(), PollFlags::empty());
        let (unread, unsent) = (self.inbound.left().is_some(), self.tls.wants_write());
        outside.set(PollFlags::IN, !self.inbound_over && !unread);
        outside.set(PollFlags::OUT, unsent);
        inside.set(PollFlags::OUT, !self.inbound_over && unread);
        inside.set(PollFlags::IN, !self.outbound_over && !unsent);
        let outer = PollFd::from_borrowed_fd(self.arriving.get_ref().socket.0, outside);
        let inner = PollFd::new(self.inner, inside);
        let alone = self.abandoned || self.outbound_over;
        // One of which nothing is wanted says again and again that it was closed: then the other
        // stands twice.
        let mut waited_for = match (outside.is_empty(), inside.is_empty() && alone) {
            (true, _) => [inner.clone(), inner],
            (_, true) => [outer.clone(), outer],
            _ => [outer, inner],
        };
        let time = if alone { Timespec::try_from(LINGER).ok() } else { None };
        match poll(&mut waited_for, time.as_ref()) {
            Ok(0) if alone => return Err(TlsError::TooSlow),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
        let [outer, inner] = waited_for.map(|fd| fd.revents());
        // Where one stands for the other this may say too much of it; then a look finds nothing.
        self.arriving.get_mut().readable |= !outer.is_empty();
        self.inner_readable |= !inner.is_empty();
        self.abandoned |= inner.intersects(PollFlags::HUP | PollFlags::ERR);
        Ok(())
    }
}

/// The outer socket, which is only asked for data where there may be some.
struct Outer<'s> {
    socket: Socket<'s>,
    readable: bool,
}

impl<'s> Outer<'s> {
    fn new(socket: BorrowedFd<'s>) -> Outer<'s> {
        Outer { socket: Socket(socket), readable: true }
    }
}

impl Read for Outer<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if !self.readable {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let received = self.socket.read(bytes);
        self.readable = received.as_ref().is_ok_and(|&received| received == bytes.len());
        received
    }
}

/// A piece of data on its way.
struct Piece {
    bytes: Vec<u8>,
    from: usize,
    until: usize,
}

impl Piece {
    fn new() -> Piece {
        Piece { bytes: vec![0; PIECE], from: 0, until: 0 }
    }

    fn left(&self) -> Option<&[u8]> {
        self.bytes.get(self.from..self.until).filter(|bytes| !bytes.is_empty())
    }
}

#[cfg(test)]
mod tests;
