//! The client's side of NBD's handshake.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use dm_core::OpenError;

use super::address::Address;
use crate::nbd::protocol::{
    GREETING, HandshakeFlags, OPTION_MAGIC, OPTION_REPLY_MAGIC, TransmissionFlags, info, option,
    reply,
};

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
}

impl From<ConnectError> for OpenError {
    fn from(error: ConnectError) -> OpenError {
        match error {
            ConnectError::Io(_) => OpenError::Other("the NBD server cannot be reached"),
            ConnectError::NoExport => OpenError::NotFound,
            _ => OpenError::Other("it is no NBD server, or one of an older protocol"),
        }
    }
}

/// How long a server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is taken to be meant by a server that does not say it.
const BLOCKS: [u32; 3] = [512, 4096, 32 << 20];

/// The longest answer that makes sense, in bytes.
const LONGEST: u32 = 64 << 10;

/// Connects, and agrees with the server on the export.
pub(super) fn connect(address: &Address) -> Result<(OwnedFd, Facts), ConnectError> {
    // Whatever it is, it is read and written the same way.
    let mut stream = UnixStream::from(address.connect()?);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let facts = shake_hands(&mut stream, &address.export)?;
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    Ok((stream.into(), facts))
}

fn shake_hands(stream: &mut (impl Read + Write), export: &str) -> Result<Facts, ConnectError> {
    let mut greeting = [0; 18];
    stream.read_exact(&mut greeting)?;
    let (magic, rest) = greeting.split_at(8);
    let (option_magic, flags) = rest.split_at(8);
    let flags = HandshakeFlags::from_bits_truncate(u16::from_be_bytes([flags[0], flags[1]]));
    let is_fixed = flags.contains(HandshakeFlags::FIXED_NEWSTYLE);
    if magic != GREETING || option_magic != OPTION_MAGIC || !is_fixed {
        return Err(ConnectError::Protocol);
    }
    let mut out = u32::from(flags.bits()).to_be_bytes().to_vec();
    out.extend(OPTION_MAGIC);
    out.extend(option::GO.to_be_bytes());
    out.extend((export.len() as u32 + 8).to_be_bytes());
    out.extend((export.len() as u32).to_be_bytes());
    out.extend(export.as_bytes());
    out.extend(1_u16.to_be_bytes());
    out.extend(info::BLOCK_SIZE.to_be_bytes());
    stream.write_all(&out)?;
    let (mut found, mut blocks) = (None, BLOCKS);
    loop {
        let magic = u64::from_be_bytes(read(stream)?);
        let answered = u32::from_be_bytes(read(stream)?);
        let kind = u32::from_be_bytes(read(stream)?);
        let length = u32::from_be_bytes(read(stream)?);
        if magic != OPTION_REPLY_MAGIC || answered != option::GO || length > LONGEST {
            return Err(ConnectError::Protocol);
        }
        let mut data = vec![0; length as usize];
        stream.read_exact(&mut data)?;
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
