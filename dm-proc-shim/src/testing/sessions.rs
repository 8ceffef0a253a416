//! The surface without a surface: sessions of this crate, in the same process.

use std::string::{String, ToString};
use std::vec::Vec;

use dm_core::{Change, DeviceMapper, Host};

use super::{Refusal, Surface};
use crate::{File, Interrupted, Session, ShimError};

/// Opens sessions on a device mapper, and writes to them piece by piece.
///
/// It cannot wait: devices have to be without requests when they are suspended.
pub struct Sessions<'m, H: Host> {
    mapper: &'m DeviceMapper<H>,
    devices: Vec<String>,
    piece: usize,
}

impl<'m, H: Host> Sessions<'m, H> {
    /// One on `mapper`, whose host offers `devices`, that writes `piece` bytes at a time.
    pub fn new(mapper: &'m DeviceMapper<H>, devices: &[&str], piece: usize) -> Sessions<'m, H> {
        let devices = devices.iter().map(|device| (*device).to_string()).collect();
        Sessions { mapper, devices, piece }
    }

    fn try_write(&self, path: &str, bytes: &[u8]) -> Result<(), ShimError> {
        let mut session = Session::new(File::find(self.mapper, path)?);
        let wait = &mut |_: &Change<H>| Err(Interrupted);
        for piece in bytes.chunks(self.piece) {
            session.write(self.mapper, piece, wait)?;
        }
        session.close(self.mapper, wait)
    }
}

impl<H: Host> Surface for Sessions<'_, H> {
    fn devices(&self) -> Vec<String> {
        self.devices.clone()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        Ok(self.try_write(path, bytes)?)
    }

    fn read(&mut self, path: &str) -> Result<String, Refusal> {
        Ok(File::find(self.mapper, path)?.read(self.mapper)?.into_string())
    }
}
