//! Writing down which requests arrive.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use dm_core::DeviceName;
use dm_core::table_text::SECTOR_SIZE;
use parking_lot::Mutex;

/// Where the requests for every `data` are written down, in the order in which they arrive.
///
/// A line each: the device's name, what is asked for, the first sector and how many. What begins or
/// ends within a sector asks for the whole of it.
#[derive(Clone)]
pub(super) struct Record {
    file: Arc<Mutex<BufWriter<File>>>,
}

/// What is asked of a device.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Read,
    Write,
    Flush,
    /// To give sectors up, and read zeros from them.
    Discard,
    /// To write zeros, and keep the place for them.
    Zero,
}

impl Record {
    pub(super) fn new(file: File) -> Record {
        Record { file: Arc::new(Mutex::new(BufWriter::new(file))) }
    }

    pub(super) fn note(&self, device: &DeviceName, asked: Asked, offset: u64, length: u64) {
        let line = line(device, asked, offset, length);
        if let Err(why) = self.file.lock().write_all(line.as_bytes()) {
            tracing::error!("a request is not written down: {why}");
        }
    }
}

fn line(device: &DeviceName, asked: Asked, offset: u64, length: u64) -> String {
    let asked = match asked {
        Asked::Read => "read",
        Asked::Write => "write",
        Asked::Flush => "flush",
        Asked::Discard => "discard",
        Asked::Zero => "zero",
    };
    let sector = offset / SECTOR_SIZE;
    let sectors = offset.saturating_add(length).div_ceil(SECTOR_SIZE) - sector;
    format!("{device} {asked} {sector} {sectors}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_whole_sectors() {
        let name: DeviceName = "vol".parse().unwrap();
        let line = |asked, offset, length| line(&name, asked, offset, length);
        assert_eq!(line(Asked::Read, 4096, 8192), "vol read 8 16\n");
        assert_eq!(line(Asked::Write, 511, 2), "vol write 0 2\n");
        assert_eq!(line(Asked::Flush, 0, 0), "vol flush 0 0\n");
        assert_eq!(line(Asked::Zero, u64::MAX, 1), format!("vol zero {} 1\n", u64::MAX / 512));
    }
}
