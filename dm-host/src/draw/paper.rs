//! A host of which only drawings are made: every device can be opened, and none does anything.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;

use dm_core::{
    Bio, BioFlags, BioOp, Device, DeviceMapper, Ended, Host, IoError, Limits, LoadDeviceError,
    LoadError, Minor, Mode, OpenError, OutOfMemory, Pass, Registry, Sector, Sectors, Time,
};

use super::Layout;

/// Lays out a table. Where a device cannot be found, it is taken to be long enough.
///
/// The errors of a table that cannot be read are reported one by one.
pub fn layout(
    text: &[u8],
    registry: Registry,
    report: &mut dyn FnMut(LoadError<'_>),
) -> Result<Layout, LoadDeviceError> {
    let mapper = DeviceMapper::new(Paper, registry)?;
    let table = mapper.check(text, Mode::ReadOnly, report)?;
    Ok(Layout::of(&table))
}

pub(super) struct Paper;

pub(super) struct PaperDevice {
    name: String,
}

/// Stands where a request would: on paper there are none.
pub(super) struct NoBio;

impl Host for Paper {
    type Device = PaperDevice;
    type Bio = NoBio;
    type Queue = VecDeque<NoBio>;
    type Lock = parking_lot::RawMutex;
    const COMPLETIONS_SUBMIT: bool = true;

    fn open(&self, name: &str, _mode: Mode) -> Result<PaperDevice, OpenError> {
        Ok(PaperDevice { name: name.to_owned() })
    }

    fn submit(&self, _bio: NoBio) {}

    fn notify(&self, _minor: Minor) {}

    fn now(&self) -> Time {
        Time::default()
    }

    fn wake(&self, _minor: Minor, _at: Time) {}

    fn buffer(&self, _sectors: Sectors) -> Result<NoBio, OutOfMemory> {
        Ok(NoBio)
    }
}

/// The size of the file or the block device of that name; `None` if there is none.
pub(super) fn size_of(name: &str) -> Option<Sectors> {
    let path = name.strip_prefix("file:").unwrap_or(name);
    let bytes = match std::fs::metadata(path) {
        Ok(found) if found.is_file() => found.len(),
        Ok(found) if found.file_type().is_block_device() => {
            File::open(path).ok()?.seek(SeekFrom::End(0)).ok()?
        }
        _ => return None,
    };
    Some(Sectors::new(bytes / 512))
}

impl Device for PaperDevice {
    fn size(&self) -> Sectors {
        size_of(&self.name).unwrap_or(Sectors::new(u64::MAX))
    }

    fn limits(&self) -> Limits {
        Limits::NONE
    }

    fn is_same(&self, other: &PaperDevice) -> bool {
        self.name == other.name
    }

    fn write_name(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(&self.name)
    }
}

impl Bio for NoBio {
    type Host = Paper;

    fn op(&self) -> BioOp {
        BioOp::Flush
    }

    fn flags(&self) -> BioFlags {
        BioFlags::empty()
    }

    fn sector(&self) -> Sector {
        Sector::ZERO
    }

    fn sectors(&self) -> Sectors {
        Sectors::ZERO
    }

    fn split(&mut self, _front: Sectors) -> Result<NoBio, OutOfMemory> {
        Ok(NoBio)
    }

    fn duplicate(&self) -> Result<NoBio, OutOfMemory> {
        Ok(NoBio)
    }

    fn child(
        &self,
        _op: BioOp,
        _flags: BioFlags,
        _sectors: Sectors,
        ended: Ended<Paper>,
    ) -> Result<NoBio, Ended<Paper>> {
        Err(ended)
    }

    fn with_bytes<T>(&mut self, _work: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        None
    }

    fn set_sector(&mut self, _sector: Sector) {}

    fn set_device(&mut self, _device: &PaperDevice) {}

    fn carry(&mut self, _pass: Pass) {}

    fn fill_zeros(&mut self) {}

    fn complete(self, _result: Result<(), IoError>) {}
}
