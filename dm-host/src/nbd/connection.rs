//! One client: its handshake, and then its requests.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::retry_on_intr;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use super::export::{Export, MappedExports};
use super::handshake::{Handshake, HandshakeError, Tls};
use super::request::RequestError;
use super::transmission::Transmission;
use crate::Mapper;
use crate::tls::{Relay, ServerTls, TlsError, shake_hands};

/// Why a client was cut off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("the handshake went wrong: {0}")]
    Handshake(#[from] HandshakeError),
    #[error("it took too long over the handshake")]
    TooSlow,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("what it sends cannot be understood: {0}")]
    Request(#[from] RequestError),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// How long a client may take over its handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(30);

/// What clients are served.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) mapper: Arc<Mapper>,
    pub(crate) tls: Option<ServerTls>,
}

/// Serves a client until it leaves.
pub(crate) fn serve(socket: &OwnedFd, service: &Service) -> Result<(), ConnectionError> {
    let end = Instant::now() + HANDSHAKE_TIME;
    set_timeouts(socket, Some(HANDSHAKE_TIME))?;
    let mut talk = Talk {
        exports: MappedExports(service.mapper.clone()),
        handshake: Handshake::new(match &service.tls {
            None => Tls::Off,
            Some(tls) if tls.required => Tls::Required,
            Some(_) => Tls::Allowed,
        }),
        received: Vec::new(),
        end,
    };
    talk.over(socket)?;
    let (true, Some(tls)) = (talk.handshake.wants_tls(), &service.tls) else {
        return transmit(socket, service, talk);
    };
    if !talk.received.is_empty() {
        return Err(HandshakeError::InClear.into());
    }
    let session = rustls::ServerConnection::new(tls.config.clone());
    let mut session = session.map_err(TlsError::from)?.into();
    shake_hands(&mut session, socket.as_fd(), end)?;
    let (plain, relay) = Relay::start(session, socket.try_clone()?)?;
    set_timeouts(&plain, Some(HANDSHAKE_TIME))?;
    talk.handshake.handle_tls();
    let served = talk.over(&plain).and_then(|()| transmit(&plain, service, talk));
    drop(plain);
    // The replies are on their way still.
    let relayed = relay.wait();
    served?;
    Ok(relayed?)
}

/// Serves what was agreed on, if the client has not left.
fn transmit(socket: &OwnedFd, service: &Service, talk: Talk) -> Result<(), ConnectionError> {
    let Some(agreed) = talk.handshake.finish()? else {
        return Ok(());
    };
    set_timeouts(socket, None)?;
    tracing::debug!("a client uses `{}`", agreed.export.name);
    let host = service.mapper.host();
    let served = Transmission::new(socket.as_fd(), host, agreed, &talk.received)?.run();
    // A ring that watched it lets go of it only after a while. It fails where the client has left.
    let _ = shutdown(socket, Shutdown::Both);
    served
}

/// A handshake that is under way.
struct Talk {
    exports: MappedExports,
    handshake: Handshake<Export>,
    /// What came from the client and was not handled.
    received: Vec<u8>,
    /// Until when it must be over.
    end: Instant,
}

impl Talk {
    /// Goes on until the handshake is over, TLS is to begin, or the client has left.
    fn over(&mut self, socket: &OwnedFd) -> Result<(), ConnectionError> {
        let mut bytes = [0; 4096];
        loop {
            send_all(socket, &self.handshake.take_output())?;
            if self.handshake.is_over() || self.handshake.wants_tls() {
                return Ok(());
            }
            let used = self.handshake.handle(&self.received, &self.exports)?;
            self.received.drain(..used);
            if used == 0 {
                let received = retry_on_intr(|| recv(socket, &mut bytes, RecvFlags::empty()));
                let (count, _) = received.map_err(timed_out)?;
                if count == 0 {
                    return Ok(());
                }
                self.received.extend_from_slice(&bytes[..count]);
            }
            if Instant::now() > self.end {
                return Err(ConnectionError::TooSlow);
            }
        }
    }
}

fn send_all(socket: &OwnedFd, mut bytes: &[u8]) -> Result<(), ConnectionError> {
    while !bytes.is_empty() {
        let sent = retry_on_intr(|| send(socket, bytes, SendFlags::NOSIGNAL));
        bytes = &bytes[sent.map_err(timed_out)?..];
    }
    Ok(())
}

fn timed_out(errno: rustix::io::Errno) -> ConnectionError {
    match errno {
        rustix::io::Errno::AGAIN => ConnectionError::TooSlow,
        errno => ConnectionError::Io(errno.into()),
    }
}

fn set_timeouts(socket: &OwnedFd, time: Option<Duration>) -> io::Result<()> {
    set_socket_timeout(socket, Timeout::Recv, time)?;
    set_socket_timeout(socket, Timeout::Send, time)?;
    Ok(())
}
