//! Jobs as NBD requests on a socket, and the replies to them.

use std::io;
use std::os::fd::AsFd;

use dm_core::{Bio, BioFlags, BioOp, IoError, Op};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::Zeroing;
use crate::host::job::Job;
use crate::nbd::protocol::{CommandFlags, ErrorCode, REQUEST_MAGIC, SIMPLE_REPLY_MAGIC, command};

/// Sends the request for a job, with its data.
pub(super) fn send_request(socket: impl AsFd, cookie: u64, job: &Job) -> io::Result<()> {
    let (kind, mut flags) = match job.bio.op() {
        BioOp::Flush => (command::FLUSH, CommandFlags::empty()),
        BioOp::Data(Op::Read) => (command::READ, CommandFlags::empty()),
        BioOp::Data(Op::Write) => (command::WRITE, CommandFlags::empty()),
        BioOp::Data(Op::Discard) => (command::TRIM, CommandFlags::empty()),
        BioOp::Data(Op::WriteZeroes) => {
            let keeps = job.bio.zeroing().contains(Zeroing::ALLOCATED);
            let flags = if keeps { CommandFlags::NO_HOLE } else { CommandFlags::empty() };
            (command::WRITE_ZEROES, flags)
        }
    };
    flags.set(CommandFlags::FUA, job.bio.flags().contains(BioFlags::FUA));
    let is_flush = kind == command::FLUSH;
    // The limits of the device keep requests shorter than 4 GiB.
    let length = if is_flush { 0 } else { job.bio.bytes() as u32 };
    let offset = if is_flush { 0 } else { job.bio.sector().byte_offset().unwrap_or(u64::MAX) };
    let mut header = [0; 28];
    header[..4].copy_from_slice(&REQUEST_MAGIC.to_be_bytes());
    header[4..6].copy_from_slice(&flags.bits().to_be_bytes());
    header[6..8].copy_from_slice(&kind.to_be_bytes());
    header[8..16].copy_from_slice(&cookie.to_be_bytes());
    header[16..24].copy_from_slice(&offset.to_be_bytes());
    header[24..].copy_from_slice(&length.to_be_bytes());
    let has_data = kind == command::WRITE;
    send_all(&socket, &header, if has_data { SendFlags::MORE } else { SendFlags::empty() })?;
    if has_data {
        let data = job.bio.data().as_ptr();
        // SAFETY: the data of a write is that long, and nobody writes to it while the job is here.
        let data = unsafe { std::slice::from_raw_parts(data, length as usize) };
        send_all(&socket, data, SendFlags::empty())?;
    }
    Ok(())
}

/// Tells the server that there will be nothing more.
pub(super) fn send_goodbye(socket: impl AsFd) -> io::Result<()> {
    let mut header = [0; 28];
    header[..4].copy_from_slice(&REQUEST_MAGIC.to_be_bytes());
    header[6..8].copy_from_slice(&command::DISC.to_be_bytes());
    send_all(socket, &header, SendFlags::empty())
}

/// Waits for the next reply: which request it is for, and how that went.
pub(super) fn receive_reply(socket: impl AsFd) -> io::Result<(u64, Result<(), IoError>)> {
    let mut header = [0; 16];
    receive_all(socket, &mut header)?;
    let [m0, m1, m2, m3, e0, e1, e2, e3, cookie @ ..] = header;
    if u32::from_be_bytes([m0, m1, m2, m3]) != SIMPLE_REPLY_MAGIC {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let result = match u32::from_be_bytes([e0, e1, e2, e3]) {
        0 => Ok(()),
        code => Err(io_error(code)),
    };
    Ok((u64::from_be_bytes(cookie), result))
}

/// Receives the data of a read.
pub(super) fn receive_data(socket: impl AsFd, job: &Job) -> io::Result<()> {
    let (data, length) = (job.bio.data().as_ptr(), job.bio.bytes() as usize);
    // SAFETY: the data of a read is that long, was initialized, and nobody looks at it while the job
    // is here.
    let data = unsafe { std::slice::from_raw_parts_mut(data, length) };
    receive_all(socket, data)
}

fn io_error(code: u32) -> IoError {
    const TABLE: &[(ErrorCode, IoError)] = &[
        (ErrorCode::NotPermitted, IoError::ReadOnly),
        (ErrorCode::NoMemory, IoError::OutOfMemory),
        (ErrorCode::Invalid, IoError::OutOfRange),
        (ErrorCode::NoSpace, IoError::NoSpace),
        (ErrorCode::NotSupported, IoError::NotSupported),
    ];
    let known = TABLE.iter().find(|(known, _)| *known as u32 == code);
    known.map_or(IoError::Failed, |&(_, error)| error)
}

fn send_all(socket: impl AsFd, mut bytes: &[u8], flags: SendFlags) -> io::Result<()> {
    while !bytes.is_empty() {
        match send(&socket, bytes, flags | SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn receive_all(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match recv(&socket, &mut bytes[filled..], RecvFlags::WAITALL) {
            Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok((received, _)) => filled += received,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
