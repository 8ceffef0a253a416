//! Sizes and limits of backing devices, as the system tells them.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

use dm_core::{Limits, OpenError, Sectors};
use rustix::fs::{AtFlags, StatxFlags, ioctl_blkpbszget, ioctl_blksszget, statx};

use super::backing::BackingKind;
use super::catalog::open_error;

/// A page: what a disk in memory is happiest with.
pub(crate) const PAGE: Sectors = Sectors::new(8);

/// The longest read or write that one system call is asked for, 1 GiB.
pub(crate) const MAX_TRANSFER: Sectors = Sectors::new(1 << 21);

/// The largest block that is believed, 1 MiB.
const MAX_BLOCK: u64 = 1 << 20;

/// How long it is now. A sector that it ends in the middle of does not count.
pub(crate) fn size(file: &File, kind: BackingKind) -> io::Result<Sectors> {
    let bytes = match kind {
        BackingKind::RegularFile | BackingKind::Memory | BackingKind::Remote => {
            file.metadata()?.len()
        }
        BackingKind::BlockDevice => { file }.seek(SeekFrom::End(0))?,
    };
    Ok(Sectors::from_bytes(bytes))
}

/// What its requests must keep to.
pub(crate) fn limits(file: &File, kind: BackingKind, direct: bool) -> Result<Limits, OpenError> {
    let (logical, physical) = match kind {
        BackingKind::BlockDevice => (
            u64::from(ioctl_blksszget(file).map_err(|errno| open_error(errno.into()))?),
            u64::from(ioctl_blkpbszget(file).map_err(|errno| open_error(errno.into()))?),
        ),
        BackingKind::RegularFile | BackingKind::Memory | BackingKind::Remote => {
            let preferred = file.metadata().map_err(open_error)?.blksize();
            (if direct { direct_block(file)? } else { 512 }, preferred)
        }
    };
    let logical_block = block(logical);
    Ok(Limits {
        logical_block,
        physical_block: block(physical).max(logical_block),
        max_transfer: MAX_TRANSFER,
        ..Limits::NONE
    })
}

/// The unit of direct I/O on a regular file, in bytes.
fn direct_block(file: &File) -> Result<u64, OpenError> {
    let told = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::from_bits_retain(DIOALIGN));
    match told {
        Ok(told) if told.stx_mask & DIOALIGN != 0 => match told.stx_dio_offset_align {
            0 => Err(OpenError::Other("its file system has no direct I/O")),
            bytes => Ok(u64::from(bytes)),
        },
        // Linux before 6.1 does not tell; a page suits every file system.
        _ => Ok(4096),
    }
}

/// `STATX_DIOALIGN`, statx(2).
const DIOALIGN: u32 = 0x2000;

/// A number of bytes as a block: a power of two, at least a sector.
fn block(bytes: u64) -> Sectors {
    Sectors::from_bytes(bytes.clamp(512, MAX_BLOCK).next_power_of_two())
}
