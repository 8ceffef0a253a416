//! Requests in the memory of the machine: what they ask for, and where the answers go.

use std::io::{Read, Write};

use dm_core::table_text::SECTOR_SIZE;
use dm_core::{Sector, Sectors};
use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_T_DISCARD,
    VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
    VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP,
};
use virtio_queue::DescriptorChain;
use virtio_queue::desc::split::Descriptor;
use vm_memory::{GuestMemoryLoadGuard, GuestMemoryMmap};

use crate::Zeroing;

/// The machine's memory, as it is.
pub(super) type Memory = GuestMemoryLoadGuard<GuestMemoryMmap>;

/// Where a request lies.
pub(super) type Chain = DescriptorChain<Memory>;

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    Read { start: Sector, sectors: Sectors },
    Write { start: Sector, sectors: Sectors },
    Discard { start: Sector, sectors: Sectors },
    WriteZeroes { start: Sector, sectors: Sectors, zeroing: Zeroing },
    Flush,
    Name,
}

/// How a request went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    Done = VIRTIO_BLK_S_OK as isize,
    Failed = VIRTIO_BLK_S_IOERR as isize,
    Unsupported = VIRTIO_BLK_S_UNSUPP as isize,
}

/// How long a request's data may be, in bytes.
const LONGEST: u64 = 32 << 20;

/// How long the name of a disk is, filled up with zeros.
pub(super) const NAME_BYTES: usize = 20;

/// What begins a request: type, priority, sector.
const HEADER_BYTES: u64 = 16;

/// Reads what a request asks for, or says how to answer it.
pub(super) fn parse(chain: &Chain) -> Result<Action, Status> {
    // Read by the byte, since a driver may cut a request where it likes.
    let mut reader = chain.clone().reader::<()>(chain.memory()).map_err(|_| Status::Failed)?;
    let readable = reader.available_bytes() as u64;
    let mut number = |bytes: usize| {
        let mut number = [0; 8];
        let read = reader.read_exact(&mut number[..bytes]);
        read.map(|()| u64::from_le_bytes(number)).map_err(|_| Status::Failed)
    };
    let kind = number(4)? as u32;
    let _priority = number(4)?;
    let start = Sector::new(number(8)?);
    let writable = writable(chain)?;
    match kind {
        VIRTIO_BLK_T_IN => {
            let sectors = whole_sectors(writable.saturating_sub(STATUS_BYTES))?;
            Ok(Action::Read { start, sectors })
        }
        VIRTIO_BLK_T_OUT => {
            let sectors = whole_sectors(readable.saturating_sub(HEADER_BYTES))?;
            Ok(Action::Write { start, sectors })
        }
        VIRTIO_BLK_T_FLUSH => Ok(Action::Flush),
        VIRTIO_BLK_T_GET_ID => Ok(Action::Name),
        VIRTIO_BLK_T_DISCARD | VIRTIO_BLK_T_WRITE_ZEROES => {
            // The only segment; there is no room for more, as the configuration says.
            if readable != HEADER_BYTES + 16 {
                return Err(Status::Failed);
            }
            let start = Sector::new(number(8)?);
            let sectors = Sectors::new(number(4)?);
            let flags = number(4)? as u32;
            match (kind, flags) {
                (VIRTIO_BLK_T_DISCARD, 0) => Ok(Action::Discard { start, sectors }),
                (VIRTIO_BLK_T_WRITE_ZEROES, 0) => {
                    Ok(Action::WriteZeroes { start, sectors, zeroing: Zeroing::ALLOCATED })
                }
                (VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) => {
                    Ok(Action::WriteZeroes { start, sectors, zeroing: Zeroing::empty() })
                }
                _ => Err(Status::Unsupported),
            }
        }
        _ => Err(Status::Unsupported),
    }
}

/// Copies the data of a write.
pub(super) fn read_data(chain: &Chain, into: &mut [u8]) -> Result<(), Status> {
    let mut reader = chain.clone().reader::<()>(chain.memory()).map_err(|_| Status::Failed)?;
    reader.read_exact(&mut [0; HEADER_BYTES as usize]).map_err(|_| Status::Failed)?;
    reader.read_exact(into).map_err(|_| Status::Failed)
}

/// Writes a request's answer: the data of a read that went well, and how it went.
///
/// Returns how many bytes were written, none if there is no room for an answer.
pub(super) fn answer(chain: &Chain, data: &[u8], status: Status) -> u32 {
    let Ok(mut writer) = chain.clone().writer::<()>(chain.memory()) else {
        return 0;
    };
    let Some(last) = writer.available_bytes().checked_sub(STATUS_BYTES as usize) else {
        return 0;
    };
    let Ok(mut end) = writer.split_at(last) else {
        return 0;
    };
    let (written, status) = match writer.write_all(&data[..data.len().min(last)]) {
        Ok(()) => (data.len().min(last), status),
        Err(_) => (0, Status::Failed),
    };
    match end.write_all(&[status as u8]) {
        Ok(()) => written as u32 + STATUS_BYTES as u32,
        Err(_) => 0,
    }
}

const STATUS_BYTES: u64 = 1;

/// How many bytes there is room for; at least one, for the status.
fn writable(chain: &Chain) -> Result<u64, Status> {
    let length = |descriptor: Descriptor| u64::from(descriptor.len());
    let bytes = chain.clone().writable().map(length).fold(0, u64::saturating_add);
    if bytes < STATUS_BYTES { Err(Status::Failed) } else { Ok(bytes) }
}

fn whole_sectors(bytes: u64) -> Result<Sectors, Status> {
    match bytes.is_multiple_of(SECTOR_SIZE) && (1..=LONGEST).contains(&bytes) {
        true => Ok(Sectors::from_bytes(bytes)),
        false => Err(Status::Failed),
    }
}
