//! Mapped devices as exports.

use std::sync::Arc;

use dm_core::table_text::SECTOR_SIZE;
use dm_core::{MappedDevice, Mode, Open};

use super::handshake::{Exports, Facts};
use super::protocol::TransmissionFlags;
use super::request::Bounds;
use crate::{Mapper, UserHost};

/// An export that a client uses: its device stays open, and its size what it was.
pub(crate) struct Export {
    pub(crate) open: Open<UserHost>,
    pub(crate) name: String,
    pub(crate) bounds: Bounds,
    preferred_block: u32,
}

/// The mapped devices of a mapper, each by its name, and a single one by no name too.
pub(crate) struct MappedExports(pub(crate) Arc<Mapper>);

/// The smallest block that is preferred, in bytes: what clients' caches are made of.
const PAGE: u32 = 4096;

impl MappedExports {
    /// The devices that have a table.
    fn devices(&self) -> Vec<MappedDevice<UserHost>> {
        let mut devices = self.0.list().unwrap_or_default();
        devices.retain(|device| device.table().is_some());
        devices
    }

    fn find(&self, name: &str) -> Result<MappedDevice<UserHost>, &'static str> {
        if !name.is_empty() {
            return self.0.find(name).ok_or("no such device");
        }
        match &self.devices()[..] {
            [only] => Ok(only.clone()),
            [] => Err("there are no devices"),
            _ => Err("there are several devices; name one of them"),
        }
    }
}

impl Exports for MappedExports {
    type Export = Export;

    fn names(&self) -> Vec<String> {
        let devices = self.devices();
        devices.iter().map(|device| device.name().as_str().to_owned()).collect()
    }

    fn open(&self, name: &str) -> Result<Export, &'static str> {
        let open = self.find(name)?.open().map_err(|_| "the device was removed")?;
        if open.size().is_zero() {
            return Err("the device has no table yet");
        }
        let (limits, bytes) = (open.limits(), open.size().bytes());
        let block = |sectors: u64| u32::try_from(sectors * SECTOR_SIZE);
        let too_large = "the device is larger than the protocol can say";
        let logical = limits.logical_block.get().clamp(1, 1 << 20);
        let physical = limits.physical_block.get().clamp(logical, 1 << 20);
        Ok(Export {
            name: open.device().name().as_str().to_owned(),
            bounds: Bounds {
                size: bytes.filter(|&bytes| i64::try_from(bytes).is_ok()).ok_or(too_large)?,
                block: block(logical).map_err(|_| too_large)?,
                mode: open.mode(),
            },
            preferred_block: block(physical).map_err(|_| too_large)?.max(PAGE),
            open,
        })
    }

    fn facts(&self, export: &Export) -> Facts {
        let mut flags = TransmissionFlags::HAS_FLAGS
            | TransmissionFlags::SEND_FLUSH
            | TransmissionFlags::SEND_FUA
            | TransmissionFlags::CAN_MULTI_CONN;
        if export.bounds.mode == Mode::ReadOnly {
            flags |= TransmissionFlags::READ_ONLY;
        } else {
            flags |= TransmissionFlags::SEND_TRIM
                | TransmissionFlags::SEND_WRITE_ZEROES
                | TransmissionFlags::SEND_FAST_ZERO;
        }
        Facts {
            name: export.name.clone(),
            size: export.bounds.size,
            flags,
            block: export.bounds.block,
            preferred_block: export.preferred_block,
        }
    }
}
