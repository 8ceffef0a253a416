//! One client: its handshake, and then its requests.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::export::{Export, MappedExports};
use super::handshake::{Agreed, Handshake, HandshakeError};
use super::request::RequestError;
use super::transmission::Transmission;
use crate::Mapper;

/// Why a client was cut off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("the handshake went wrong: {0}")]
    Handshake(#[from] HandshakeError),
    #[error("it took too long over the handshake")]
    TooSlow,
    #[error("what it sends cannot be understood: {0}")]
    Request(#[from] RequestError),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// How long a client may take over its handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(30);

/// Serves a client until it leaves.
pub(crate) fn serve(socket: &OwnedFd, mapper: &Arc<Mapper>) -> Result<(), ConnectionError> {
    let exports = MappedExports(mapper.clone());
    set_timeouts(socket, Some(HANDSHAKE_TIME))?;
    let mut received = Vec::new();
    let Some(agreed) = shake_hands(socket, &exports, &mut received)? else {
        return Ok(());
    };
    set_timeouts(socket, None)?;
    tracing::debug!("a client uses `{}`", agreed.export.name);
    Transmission::new(socket.as_fd(), mapper.host(), agreed, &received)?.run()
}

/// Returns what was agreed on, and leaves in `input` what was received beyond that; `None` if the
/// client left.
fn shake_hands(
    socket: &OwnedFd,
    exports: &MappedExports,
    input: &mut Vec<u8>,
) -> Result<Option<Agreed<Export>>, ConnectionError> {
    let end = Instant::now() + HANDSHAKE_TIME;
    let mut handshake = Handshake::new();
    let mut bytes = [0; 4096];
    loop {
        send_all(socket, &handshake.take_output())?;
        if handshake.is_over() {
            return Ok(handshake.finish());
        }
        let used = handshake.handle(input, exports)?;
        input.drain(..used);
        if used == 0 {
            let (received, _) = recv(socket, &mut bytes, RecvFlags::empty()).map_err(timed_out)?;
            if received == 0 {
                return Ok(None);
            }
            input.extend_from_slice(&bytes[..received]);
        }
        if Instant::now() > end {
            return Err(ConnectionError::TooSlow);
        }
    }
}

fn send_all(socket: &OwnedFd, mut bytes: &[u8]) -> Result<(), ConnectionError> {
    while !bytes.is_empty() {
        let sent = send(socket, bytes, SendFlags::NOSIGNAL).map_err(timed_out)?;
        bytes = &bytes[sent..];
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
