//! Reads and writes at raw memory, which the safe bindings cannot express.

use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;

use rustix::io::Errno;

/// Bytes of memory for the kernel to read or write.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) start: NonNull<u8>,
    pub(crate) bytes: usize,
}

impl Memory {
    fn vector(self) -> libc::iovec {
        libc::iovec { iov_base: self.start.as_ptr().cast(), iov_len: self.bytes }
    }
}

/// preadv2(2): fills `memory`, or the first of it, from `offset` on.
///
/// # Safety
/// `memory` is valid for writes, and nobody looks at it during the call.
pub(crate) unsafe fn read_at(
    file: impl AsFd,
    memory: Memory,
    offset: i64,
    flags: i32,
) -> Result<usize, Errno> {
    let (fd, vector) = (file.as_fd().as_raw_fd(), memory.vector());
    // SAFETY: one vector, which lives through the call; its memory as the caller promises.
    returned(unsafe { libc::preadv2(fd, &vector, 1, offset, flags) })
}

/// pwritev2(2): writes `memory`, or the first of it, at `offset`.
///
/// # Safety
/// `memory` is valid for reads, and nobody writes to it during the call.
pub(crate) unsafe fn write_at(
    file: impl AsFd,
    memory: Memory,
    offset: i64,
    flags: i32,
) -> Result<usize, Errno> {
    let (fd, vector) = (file.as_fd().as_raw_fd(), memory.vector());
    // SAFETY: as in `read_at`.
    returned(unsafe { libc::pwritev2(fd, &vector, 1, offset, flags) })
}

/// The ioctl `BLKDISCARD`: discards that many bytes of a block device from `offset` on.
pub(crate) fn discard_blocks(file: impl AsFd, offset: u64, bytes: u64) -> Result<(), Errno> {
    let range = [offset, bytes];
    // SAFETY: the request reads two 64-bit numbers, which live through the call; on anything but a
    // block device it is refused.
    let result = unsafe { libc::ioctl(file.as_fd().as_raw_fd(), BLKDISCARD, &range) };
    returned(result as isize).map(|_| ())
}

/// `_IO(0x12, 119)`, linux/fs.h.
const BLKDISCARD: libc::Ioctl = 0x1277;

/// The status of a process that has ended and was waited for, as wait(2) told it; none for any other,
/// and on a Linux before 6.15.
pub(crate) fn status_of_the_dead(process: impl AsFd) -> Option<u32> {
    let mut info = [0_u64; 8];
    info[0] = PIDFD_INFO_EXIT;
    // SAFETY: the request reads and writes a `struct pidfd_info`, whose first version is 64 bytes long;
    // on anything but a descriptor of a process it is refused.
    let result = unsafe { libc::ioctl(process.as_fd().as_raw_fd(), PIDFD_GET_INFO, &mut info) };
    // The mask comes first, and the status last.
    let [.., a, b, c, d] = info[7].to_ne_bytes();
    let is_known = result == 0 && info[0] & PIDFD_INFO_EXIT != 0;
    is_known.then_some(u32::from_ne_bytes([a, b, c, d]))
}

/// `_IOWR(0xff, 11, struct pidfd_info)` and a bit of its mask, linux/pidfd.h.
const PIDFD_GET_INFO: libc::Ioctl = 0xc040_ff0b_u32 as libc::Ioctl;
const PIDFD_INFO_EXIT: u64 = 1 << 3;

fn returned(result: isize) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| {
        let error = std::io::Error::last_os_error();
        Errno::from_io_error(&error).unwrap_or(Errno::IO)
    })
}
