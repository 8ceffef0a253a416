//! Requests of the transmission: what their bytes ask for, and whether an export can do it.

use dm_core::table_text::SECTOR_SIZE;
use dm_core::{BioFlags, IoError, Mode, Sector, Sectors};

use super::protocol::{CommandFlags, ErrorCode, MAX_PAYLOAD, REQUEST_MAGIC, command};
use crate::Zeroing;

/// How many bytes a request has, apart from the data of a write.
pub(crate) const REQUEST_BYTES: usize = 28;

/// A request as it came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Request {
    pub(crate) flags: u16,
    pub(crate) command: u16,
    /// The client's own mark, to be given back with the reply.
    pub(crate) cookie: u64,
    /// In bytes.
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

/// Why nothing that follows can be understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("a request begins with {0:#010x}")]
    BadMagic(u32),
    #[error("it wants to write {0} bytes at once")]
    TooLong(u32),
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    Read(Extent),
    Write(Extent, BioFlags),
    Flush,
    Trim(Extent, BioFlags),
    WriteZeroes(Extent, BioFlags, Zeroing),
    Disconnect,
}

/// Sectors of an export.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Extent {
    pub(crate) start: Sector,
    pub(crate) sectors: Sectors,
}

/// What requests to an export must keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Its length in bytes.
    pub(crate) size: u64,
    /// The block that requests are made of, in bytes.
    pub(crate) block: u32,
    pub(crate) mode: Mode,
}

impl Request {
    pub(crate) fn parse(bytes: &[u8; REQUEST_BYTES]) -> Result<Request, RequestError> {
        let [m0, m1, m2, m3, f0, f1, c0, c1, rest @ ..] = *bytes;
        let magic = u32::from_be_bytes([m0, m1, m2, m3]);
        if magic != REQUEST_MAGIC {
            return Err(RequestError::BadMagic(magic));
        }
        let [k0, k1, k2, k3, k4, k5, k6, k7, o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3] = rest;
        let request = Request {
            flags: u16::from_be_bytes([f0, f1]),
            command: u16::from_be_bytes([c0, c1]),
            cookie: u64::from_be_bytes([k0, k1, k2, k3, k4, k5, k6, k7]),
            offset: u64::from_be_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        };
        if request.payload() > MAX_PAYLOAD {
            return Err(RequestError::TooLong(request.length));
        }
        Ok(request)
    }

    pub(crate) fn is_read(&self) -> bool {
        self.command == command::READ
    }

    /// How many bytes of data it needs room for, whichever way they go.
    pub(crate) fn data(&self) -> u32 {
        if self.is_read() { self.length.min(MAX_PAYLOAD) } else { self.payload() }
    }

    /// How many bytes of data follow it.
    pub(crate) fn payload(&self) -> u32 {
        if self.command == command::WRITE { self.length } else { 0 }
    }

    /// What it asks of an export with these bounds, or why that cannot be.
    pub(crate) fn action(&self, bounds: &Bounds) -> Result<Action, ErrorCode> {
        if self.command == command::DISC {
            // It is never answered, whatever its flags.
            return Ok(Action::Disconnect);
        }
        let flags = CommandFlags::from_bits(self.flags).ok_or(ErrorCode::Invalid)?;
        let allow = |allowed| {
            if (CommandFlags::FUA | allowed).contains(flags) {
                Ok(())
            } else {
                Err(ErrorCode::Invalid)
            }
        };
        let fua = match flags.contains(CommandFlags::FUA) {
            true => BioFlags::FUA,
            false => BioFlags::empty(),
        };
        match self.command {
            command::READ => {
                allow(CommandFlags::DF)?;
                let too_long = self.length > MAX_PAYLOAD;
                if too_long {
                    Err(ErrorCode::Invalid)
                } else {
                    self.extent(bounds).map(Action::Read)
                }
            }
            command::WRITE => {
                allow(CommandFlags::empty())?;
                Ok(Action::Write(self.extent_to_change(bounds)?, fua))
            }
            command::FLUSH => allow(CommandFlags::empty()).map(|()| Action::Flush),
            command::TRIM => {
                allow(CommandFlags::empty())?;
                Ok(Action::Trim(self.extent_to_change(bounds)?, fua))
            }
            command::WRITE_ZEROES => {
                allow(CommandFlags::NO_HOLE | CommandFlags::FAST_ZERO)?;
                let mut zeroing = Zeroing::empty();
                zeroing.set(Zeroing::ALLOCATED, flags.contains(CommandFlags::NO_HOLE));
                zeroing.set(Zeroing::FAST, flags.contains(CommandFlags::FAST_ZERO));
                Ok(Action::WriteZeroes(self.extent_to_change(bounds)?, fua, zeroing))
            }
            _ => Err(ErrorCode::Invalid),
        }
    }

    fn extent_to_change(&self, bounds: &Bounds) -> Result<Extent, ErrorCode> {
        if bounds.mode == Mode::ReadOnly {
            return Err(IoError::ReadOnly.into());
        }
        let end = self.offset.checked_add(self.length.into());
        if end.is_none_or(|end| end > bounds.size) {
            return Err(ErrorCode::NoSpace);
        }
        self.extent(bounds)
    }

    fn extent(&self, bounds: &Bounds) -> Result<Extent, ErrorCode> {
        let end = self.offset.checked_add(self.length.into());
        let fits = end.is_some_and(|end| end <= bounds.size);
        let block = u64::from(bounds.block);
        let whole =
            self.offset.is_multiple_of(block) && u64::from(self.length).is_multiple_of(block);
        if !fits || !whole || self.length == 0 {
            return Err(ErrorCode::Invalid);
        }
        Ok(Extent {
            start: Sector::new(self.offset / SECTOR_SIZE),
            sectors: Sectors::from_bytes(self.length.into()),
        })
    }
}

#[cfg(test)]
mod tests;
