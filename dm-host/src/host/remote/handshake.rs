//! The client's side of NBD's handshake.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dm_core::OpenError;
use rustls::ClientConnection;

use super::address::{Address, Tls};
use crate::nbd::protocol::{
    GREETING, HandshakeFlags, OPTION_MAGIC, OPTION_REPLY_MAGIC, TransmissionFlags, info, option,
    reply,
};
use crate::tls::{self, CertificatesError, Relay, TlsError, client_config};

/// What a server says of an export.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Facts {
    /// Its length in bytes.
    pub(super) size: u64,
    pub(super) flags: TransmissionFlags,
    /// The smallest block, the preferred one, and the longest transfer; in bytes.
    pub(super) blocks: [u32; 3],
}

/// Why an export cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the server cannot be reached: {0}")]
    Io(#[from] io::Error),
    #[error("it is no NBD server, or one of an older protocol")]
    Protocol,
    #[error("the server has no such export")]
    NoExport,
    #[error("the export is not what it was before")]
    Changed,
    #[error("the server has no TLS, or refuses it")]
    NoTls,
    #[error("the server requires TLS")]
    TlsRequired,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("tls-certificates: {0}")]
    Certificates(#[from] CertificatesError),
}

impl From<ConnectError> for OpenError {
    fn from(error: ConnectError) -> OpenError {
        match error {
            ConnectError::Io(_) => OpenError::Other("the NBD server cannot be reached"),
            ConnectError::NoExport => OpenError::NotFound,
            ConnectError::NoTls => OpenError::Other("the server has no TLS, or refuses it"),
            ConnectError::TlsRequired => {
                OpenError::Other("the server requires TLS: begin the address with nbds")
            }
            ConnectError::Tls(error) => OpenError::Other(error.for_clients()),
            ConnectError::Certificates(error) => OpenError::Other(error.for_clients()),
            ConnectError::Protocol | ConnectError::Changed => {
                OpenError::Other("it is no NBD server, or one of an older protocol")
            }
        }
    }
}

/// What is taken to be meant by a server that does not say it.
const BLOCKS: [u32; 3] = [512, 4096, 32 << 20];

/// The longest answer that makes sense, in bytes.
const LONGEST: u32 = 64 << 10;

/// Connects, and agrees with the server on the export; it may take so long for each answer.
pub(super) fn connect(
    address: &Address,
    patience: Duration,
) -> Result<(OwnedFd, Facts), ConnectError> {
    let mut stream = patient(address.connect(patience)?, patience)?;
    greet(&mut stream)?;
    let Some(tls) = &address.tls else {
        let facts = go(&mut stream, &address.export)?;
        return Ok((impatient(stream)?, facts));
    };
    let (plain, relay) = start_tls(stream, tls, patience)?;
    let mut plain = patient(plain, patience)?;
    match go(&mut plain, &address.export) {
        Ok(facts) => Ok((impatient(plain)?, facts)),
        Err(error) => {
            drop(plain);
            // A server that refuses this client's certificate does so after its own was accepted.
            Err(match (relay.wait(), error) {
                (Err(why), _) => why.into(),
                (Ok(()), ConnectError::Io(_)) => TlsError::Left.into(),
                (Ok(()), error) => error,
            })
        }
    }
}

/// A stream whose peer must answer in time. Whatever it is, it is read and written the same way.
fn patient(socket: OwnedFd, patience: Duration) -> io::Result<UnixStream> {
    let stream = UnixStream::from(socket);
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(stream)
}

/// One whose peer may take its time.
fn impatient(stream: UnixStream) -> io::Result<OwnedFd> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    Ok(stream.into())
}

/// Exchanges greetings.
fn greet(stream: &mut (impl Read + Write)) -> Result<(), ConnectError> {
    let mut greeting = [0; 18];
    stream.read_exact(&mut greeting)?;
    let (magic, rest) = greeting.split_at(8);
    let (option_magic, flags) = rest.split_at(8);
    let flags = HandshakeFlags::from_bits_truncate(u16::from_be_bytes([flags[0], flags[1]]));
    let is_fixed = flags.contains(HandshakeFlags::FIXED_NEWSTYLE);
    if magic != GREETING || option_magic != OPTION_MAGIC || !is_fixed {
        return Err(ConnectError::Protocol);
    }
    Ok(stream.write_all(&u32::from(flags.bits()).to_be_bytes())?)
}

/// Begins TLS, and returns the stream to go on with. Nothing that the server sends in clear behind
/// its consent is taken for what it says within TLS: it is read by TLS, which does not understand it.
fn start_tls(
    mut stream: UnixStream,
    tls: &Tls,
    patience: Duration,
) -> Result<(OwnedFd, Relay), ConnectError> {
    // Before the server has any trouble.
    let config = client_config(tls.certificates.as_deref(), tls.verify_peer)?;
    let session = ClientConnection::new(Arc::new(config), tls.name.clone());
    let mut session = session.map_err(TlsError::from)?.into();
    send_option(&mut stream, option::STARTTLS, &[])?;
    match receive_reply(&mut stream, option::STARTTLS)? {
        (reply::ACK, data) if data.is_empty() => {}
        _ => return Err(ConnectError::NoTls),
    }
    tls::shake_hands(&mut session, stream.as_fd(), Instant::now() + patience)?;
    Ok(Relay::start(session, stream.into())?)
}

fn send_option(stream: &mut impl Write, option: u32, data: &[u8]) -> io::Result<()> {
    let mut out = OPTION_MAGIC.to_vec();
    out.extend(option.to_be_bytes());
    out.extend((data.len() as u32).to_be_bytes());
    out.extend(data);
    stream.write_all(&out)
}

/// Waits for the next reply to an option: of which kind, and its data.
fn receive_reply(stream: &mut impl Read, option: u32) -> Result<(u32, Vec<u8>), ConnectError> {
    let magic = u64::from_be_bytes(read(stream)?);
    let answered = u32::from_be_bytes(read(stream)?);
    let kind = u32::from_be_bytes(read(stream)?);
    let length = u32::from_be_bytes(read(stream)?);
    if magic != OPTION_REPLY_MAGIC || answered != option || length > LONGEST {
        return Err(ConnectError::Protocol);
    }
    let mut data = vec![0; length as usize];
    stream.read_exact(&mut data)?;
    Ok((kind, data))
}

/// Asks for the export, to use it.
fn go(stream: &mut (impl Read + Write), export: &str) -> Result<Facts, ConnectError> {
    let mut wish = (export.len() as u32).to_be_bytes().to_vec();
    wish.extend(export.as_bytes());
    wish.extend(1_u16.to_be_bytes());
    wish.extend(info::BLOCK_SIZE.to_be_bytes());
    send_option(stream, option::GO, &wish)?;
    let (mut found, mut blocks) = (None, BLOCKS);
    loop {
        let (kind, data) = receive_reply(stream, option::GO)?;
        match kind {
            reply::ACK => {
                let (size, flags) = found.ok_or(ConnectError::Protocol)?;
                return Ok(Facts { size, flags, blocks });
            }
            reply::INFO => match &data[..] {
                [0, 0, size @ .., f0, f1] if size.len() == 8 => {
                    let size = size.iter().fold(0, |size, &byte| size << 8 | u64::from(byte));
                    let flags = u16::from_be_bytes([*f0, *f1]);
                    found = Some((size, TransmissionFlags::from_bits_truncate(flags)));
                }
                [0, 3, sizes @ ..] if sizes.len() == 12 => {
                    for (block, bytes) in blocks.iter_mut().zip(sizes.chunks(4)) {
                        *block = bytes.iter().fold(0, |size, &byte| size << 8 | u32::from(byte));
                    }
                }
                _ => {}
            },
            reply::ERR_TLS_REQD => return Err(ConnectError::TlsRequired),
            reply::ERR_UNKNOWN => return Err(ConnectError::NoExport),
            _ => return Err(ConnectError::Protocol),
        }
    }
}

fn read<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
