//! The beginning of TLS on a socket.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use rustls::{AlertDescription, CertificateError, Connection, Error};

/// Why TLS did not come about, or broke.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("it took too long over TLS")]
    TooSlow,
    #[error("it left in the middle of the TLS handshake")]
    Left,
    #[error("TLS: {0}")]
    Refused(#[from] Error),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

impl TlsError {
    /// What is wrong, as a client's user is told.
    pub(crate) fn for_clients(&self) -> &'static str {
        use AlertDescription as Alert;
        use CertificateError as Bad;
        let error = match self {
            TlsError::Refused(error) => error,
            TlsError::TooSlow => return "the server takes too long over TLS",
            // Some say nothing more.
            TlsError::Left | TlsError::Io(_) => {
                return "the server breaks off TLS: it may want a certificate of this client, or \
                        another one";
            }
        };
        match error {
            Error::InvalidCertificate(bad) => match bad {
                Bad::UnknownIssuer => {
                    "the server's certificate was signed by no authority that is trusted"
                }
                Bad::Expired | Bad::ExpiredContext { .. } => "the server's certificate has expired",
                Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                    "the server's certificate is not valid yet"
                }
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                    "the server's certificate is for another host name than this, or tls-hostname"
                }
                _ => "the server's certificate is refused",
            },
            Error::AlertReceived(
                Alert::CertificateRequired
                | Alert::NoCertificate
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied,
            ) => "the server wants a certificate of this client, or another one than it has",
            _ => "the server and this client do not agree on TLS",
        }
    }
}

/// A socket as TLS reads and writes it.
pub(super) struct Socket<'s>(pub(super) BorrowedFd<'s>);

impl Read for Socket<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0, bytes, RecvFlags::empty())?.0)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(sendmsg(self.0, bytes, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has both sides agree, over a socket whose timeouts are set; past `end` it is given up.
pub(crate) fn shake_hands(
    tls: &mut Connection,
    socket: BorrowedFd<'_>,
    end: Instant,
) -> Result<(), TlsError> {
    let mut socket = Socket(socket);
    while tls.is_handshaking() || tls.wants_write() {
        if Instant::now() > end {
            return Err(TlsError::TooSlow);
        }
        if tls.wants_write() {
            retried(tls.write_tls(&mut socket))?;
            continue;
        }
        if retried(tls.read_tls(&mut socket))? == Some(0) {
            return Err(TlsError::Left);
        }
        if let Err(error) = tls.process_new_packets() {
            // It says why; if that cannot be told, nothing is lost.
            let _ = tls.write_tls(&mut socket);
            return Err(error.into());
        }
    }
    Ok(())
}

/// What a call to a socket with timeouts did; none where it is to be made again.
fn retried(done: io::Result<usize>) -> Result<Option<usize>, TlsError> {
    match done {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(TlsError::TooSlow),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
