//! The least of an NBD client: a request at a time, so that a test knows what was acknowledged.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// How long each block is, in bytes.
pub(crate) const BLOCK: usize = 4096;

/// A connection to one export.
pub(crate) struct NbdClient {
    stream: UnixStream,
}

impl NbdClient {
    pub(crate) fn connect(socket: &Path, export: &str) -> io::Result<NbdClient> {
        let mut stream = UnixStream::connect(socket)?;
        stream.read_exact(&mut [0; 18])?;
        // Newstyle, fixed, no zeros; then the option that goes straight to the export.
        stream.write_all(&3_u32.to_be_bytes())?;
        stream.write_all(b"IHAVEOPT\0\0\0\x01")?;
        stream.write_all(&(export.len() as u32).to_be_bytes())?;
        stream.write_all(export.as_bytes())?;
        stream.read_exact(&mut [0; 10])?;
        Ok(NbdClient { stream })
    }

    pub(crate) fn write(&mut self, block: u64, data: &[u8; BLOCK]) -> io::Result<()> {
        self.write_at(block * BLOCK as u64, data)
    }

    pub(crate) fn read(&mut self, block: u64) -> io::Result<[u8; BLOCK]> {
        let mut data = [0; BLOCK];
        self.read_at(block * BLOCK as u64, &mut data)?;
        Ok(data)
    }

    /// Writes from this byte on.
    pub(crate) fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.send(WRITE, offset, data.len(), data)
    }

    /// Reads from this byte on.
    pub(crate) fn read_at(&mut self, offset: u64, data: &mut [u8]) -> io::Result<()> {
        self.send(READ, offset, data.len(), &[])?;
        self.stream.read_exact(data)
    }

    /// Has what was written so far kept.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.send(FLUSH, 0, 0, &[])
    }

    /// Sends a request, and takes its reply but for the data.
    pub(crate) fn send(
        &mut self,
        command: u16,
        offset: u64,
        length: usize,
        data: &[u8],
    ) -> io::Result<()> {
        let mut bytes = request(command, offset, length as u32);
        bytes.extend(data);
        self.stream.write_all(&bytes)?;
        match self.reply()? {
            0 => Ok(()),
            number => Err(io::Error::from_raw_os_error(number as i32)),
        }
    }

    /// Takes the head of a reply; returns the error in it, zero for none.
    pub(crate) fn reply(&mut self) -> io::Result<u32> {
        let mut reply = [0; 16];
        self.stream.read_exact(&mut reply)?;
        let [_, _, _, _, a, b, c, d, ..] = reply;
        Ok(u32::from_be_bytes([a, b, c, d]))
    }

    /// The connection itself, for what no good client does.
    pub(crate) fn stream(&mut self) -> &mut UnixStream {
        &mut self.stream
    }
}

pub(crate) const READ: u16 = 0;
pub(crate) const WRITE: u16 = 1;
pub(crate) const FLUSH: u16 = 3;
pub(crate) const TRIM: u16 = 4;
pub(crate) const WRITE_ZEROES: u16 = 6;

/// A request without its data; offset and length in bytes.
pub(crate) fn request(command: u16, offset: u64, length: u32) -> Vec<u8> {
    let mut request = 0x2560_9513_u32.to_be_bytes().to_vec();
    request.extend([0, 0]);
    request.extend(command.to_be_bytes());
    request.extend(offset.to_be_bytes());
    request.extend(offset.to_be_bytes());
    request.extend(length.to_be_bytes());
    request
}
