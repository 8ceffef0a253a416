//! Requests for a device, and what they find.

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, fallocate};

#[derive(Debug)]
pub(super) enum Request {
    Read,
    Write,
    Zero,
    Flush,
}

/// The first sectors of a device, past the page cache.
pub(super) struct Disk {
    file: File,
    sectors: u64,
}

/// Where direct I/O may read to.
#[repr(align(4096))]
struct Page([u8; 256 << 10]);

impl Disk {
    pub(super) fn open(node: &Path, sectors: u64) -> io::Result<Disk> {
        let direct = OFlags::DIRECT.bits() as i32;
        let file = File::options().read(true).write(true).custom_flags(direct).open(node)?;
        Ok(Disk { file, sectors })
    }

    /// Carries it out on all of them.
    pub(super) fn request(&self, request: &Request) -> io::Result<()> {
        let bytes = self.sectors * 512;
        let mut page = Box::new(Page([0; 256 << 10]));
        let data = &mut page.0[..bytes as usize];
        match request {
            Request::Read => self.file.read_exact_at(data, 0),
            Request::Write => {
                data.iter_mut().enumerate().for_each(|(n, byte)| *byte = content(n));
                self.file.write_all_at(data, 0)
            }
            Request::Zero => Ok(fallocate(&self.file, FallocateFlags::ZERO_RANGE, 0, bytes)?),
            Request::Flush => self.file.sync_all(),
        }
    }

    /// Reads what [`request`](Self::request) wrote.
    pub(super) fn check(&self) -> Result<(), Box<dyn Error>> {
        let mut page = Box::new(Page([0; 256 << 10]));
        let data = &mut page.0[..(self.sectors * 512) as usize];
        self.file.read_exact_at(data, 0)?;
        let as_written = data.iter().enumerate().all(|(n, byte)| *byte == content(n));
        if as_written { Ok(()) } else { Err("the live table maps elsewhere".into()) }
    }
}

fn content(n: usize) -> u8 {
    (n / 512 * 7 + n) as u8
}
