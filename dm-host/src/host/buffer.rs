//! Memory that the kernel reads from and writes to while a request is on its way.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::{Deref, DerefMut};
use std::ptr::{NonNull, null_mut};

use dm_core::{OutOfMemory, Sectors};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

mod pool;

pub(crate) use pool::BufferPool;

/// What direct I/O wants its memory aligned to, in bytes.
const ALIGN: usize = 4096;

/// From how many bytes on the system is asked for pages. An allocator writes the zeros itself where
/// it has to align, and so whoever announces a long request would have memory for it at once.
const MAPPED: usize = 128 << 10;

/// Whole sectors of memory, aligned for direct I/O.
///
/// It does not move, so that a pointer into it stays good for as long as it is owned by somebody.
pub struct Buffer {
    start: NonNull<u8>,
    bytes: usize,
    /// How many bytes were allocated.
    room: usize,
}

// SAFETY: it owns its memory, as a `Box<[u8]>` does.
unsafe impl Send for Buffer {}
// SAFETY: as above; shared, it can only be read.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// One of `sectors` sectors, all zeros.
    pub fn zeroed(sectors: Sectors) -> Result<Buffer, OutOfMemory> {
        let bytes = sectors.bytes().and_then(|bytes| usize::try_from(bytes).ok());
        let layout = layout(bytes.ok_or(OutOfMemory)?).ok_or(OutOfMemory)?;
        if layout.size() == 0 {
            return Ok(Buffer::default());
        }
        let start = match layout.size() >= MAPPED {
            true => map(layout.size()),
            // SAFETY: the layout is not of size zero.
            false => NonNull::new(unsafe { alloc_zeroed(layout) }),
        };
        let start = start.ok_or(OutOfMemory)?;
        Ok(Buffer { start, bytes: layout.size(), room: layout.size() })
    }

    /// Its length.
    pub fn sectors(&self) -> Sectors {
        Sectors::from_bytes(self.bytes as u64)
    }

    /// Makes it that long, if it has the room; what it holds stays as it is.
    pub(crate) fn resize(&mut self, sectors: Sectors) -> bool {
        let bytes = sectors.bytes().and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = bytes.filter(|&bytes| bytes <= self.room);
        self.bytes = bytes.unwrap_or(self.bytes);
        bytes.is_some()
    }

    /// Where it begins. The pointer may be written through only while nobody looks at the buffer.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }
}

/// One without sectors, which takes no memory.
impl Default for Buffer {
    fn default() -> Buffer {
        Buffer { start: NonNull::dangling(), bytes: 0, room: 0 }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.room >= MAPPED {
            // SAFETY: mapped by `zeroed` with this length, and nobody else has it.
            let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.room) };
            debug_assert!(unmapped.is_ok(), "{unmapped:?}");
        } else if let (1.., Some(layout)) = (self.room, layout(self.room)) {
            // SAFETY: allocated by `zeroed` with the layout of the same length.
            unsafe { dealloc(self.start.as_ptr(), layout) };
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `bytes` bytes from `start` are ours, no more than there is `room` for, and were
        // initialized with zeros (or there are none). Who writes through `start` promises that no such slice is about.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` is the only way to it.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

/// Pages of zeros, which take no memory before they are written.
fn map(bytes: usize) -> Option<NonNull<u8>> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the system chooses a place where nothing is yet.
    let start = unsafe { mmap_anonymous(null_mut(), bytes, access, MapFlags::PRIVATE) };
    NonNull::new(start.ok()?.cast())
}

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes, ALIGN).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_zeroed_aligned_and_writable() {
        let mut buffer = Buffer::zeroed(Sectors::new(9)).unwrap();
        assert_eq!((buffer.len(), buffer.sectors()), (9 * 512, Sectors::new(9)));
        assert_eq!(buffer.as_ptr() as usize % ALIGN, 0);
        assert!(buffer.iter().all(|&byte| byte == 0));
        buffer[9 * 512 - 1] = 7;
        assert_eq!(buffer.last(), Some(&7));
    }

    #[test]
    fn a_long_one_is_zeroed_aligned_and_writable_too() {
        let mut buffer = Buffer::zeroed(Sectors::new(65_537)).unwrap();
        assert_eq!((buffer.len(), buffer.as_ptr() as usize % ALIGN), (65_537 * 512, 0));
        assert!(buffer.iter().all(|&byte| byte == 0));
        buffer.fill(7);
        assert_eq!(buffer.last(), Some(&7));
    }

    #[test]
    fn more_than_there_is_memory_for_is_an_error() {
        assert!(Buffer::zeroed(Sectors::new(u64::MAX)).is_err());
        assert!(Buffer::zeroed(Sectors::new(1 << 53)).is_err());
        assert!(Buffer::zeroed(Sectors::ZERO).unwrap().is_empty());
    }
}
