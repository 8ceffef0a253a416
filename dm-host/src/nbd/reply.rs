//! Replies of the transmission, as bytes.

use super::protocol::{CHUNK_MAGIC, ErrorCode, SIMPLE_REPLY_MAGIC, chunk};

/// What comes before the data of a reply.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Header {
    bytes: [u8; LONGEST],
    length: u8,
}

/// A chunk with the offset of its data.
const LONGEST: usize = 28;

/// What is replied to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A read that is answered in one chunk, with its offset in bytes.
    Chunk { offset: u64 },
    /// Anything else.
    Simple,
}

impl Header {
    /// The header of a reply with `data` bytes after it; with an error there are none.
    pub(crate) fn new(kind: Kind, cookie: u64, result: Result<u32, ErrorCode>) -> Header {
        let mut header = Header::default();
        match (kind, result) {
            (Kind::Simple, result) => {
                header.put(&SIMPLE_REPLY_MAGIC.to_be_bytes());
                header.put(&result.err().map_or(0, |code| code as u32).to_be_bytes());
                header.put(&cookie.to_be_bytes());
            }
            (Kind::Chunk { offset }, Ok(data)) => {
                header.put_chunk(chunk::OFFSET_DATA, cookie, data + 8);
                header.put(&offset.to_be_bytes());
            }
            (Kind::Chunk { .. }, Err(code)) => {
                header.put_chunk(chunk::ERROR, cookie, 6);
                header.put(&(code as u32).to_be_bytes());
                header.put(&0u16.to_be_bytes());
            }
        }
        header
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    fn put_chunk(&mut self, kind: u16, cookie: u64, length: u32) {
        self.put(&CHUNK_MAGIC.to_be_bytes());
        self.put(&chunk::DONE.to_be_bytes());
        self.put(&kind.to_be_bytes());
        self.put(&cookie.to_be_bytes());
        self.put(&length.to_be_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        let at = usize::from(self.length);
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len() as u8;
    }
}

#[cfg(test)]
mod tests;
