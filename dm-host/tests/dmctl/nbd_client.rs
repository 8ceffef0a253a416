//! The least of an NBD client: a block at a time, so that a test knows what was acknowledged.

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
        self.send(1, block, data)
    }

    pub(crate) fn read(&mut self, block: u64) -> io::Result<[u8; BLOCK]> {
        self.send(0, block, &[])?;
        let mut data = [0; BLOCK];
        self.stream.read_exact(&mut data)?;
        Ok(data)
    }

    /// Sends a request, and takes its reply.
    fn send(&mut self, command: u16, block: u64, data: &[u8]) -> io::Result<()> {
        let mut request = 0x2560_9513_u32.to_be_bytes().to_vec();
        request.extend([0, 0]);
        request.extend(command.to_be_bytes());
        request.extend(block.to_be_bytes());
        request.extend((block * BLOCK as u64).to_be_bytes());
        request.extend((BLOCK as u32).to_be_bytes());
        request.extend(data);
        self.stream.write_all(&request)?;
        let mut reply = [0; 16];
        self.stream.read_exact(&mut reply)?;
        match reply[4..8] {
            [0, 0, 0, 0] => Ok(()),
            _ => Err(io::Error::other(format!("the server replied {:?}", &reply[4..8]))),
        }
    }
}
