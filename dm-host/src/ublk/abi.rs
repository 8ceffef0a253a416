//! The kernel's `linux/ublk_cmd.h`, as far as it is used here.

/// Where block devices are made.
pub(super) const CONTROL: &str = "/dev/ublk-control";

/// Commands for [`CONTROL`].
pub(super) const ADD_DEV: u32 = code(WRITE_READ, 0x04, CONTROL_BYTES);
pub(super) const DEL_DEV: u32 = code(WRITE_READ, 0x05, CONTROL_BYTES);
pub(super) const START_DEV: u32 = code(WRITE_READ, 0x06, CONTROL_BYTES);
pub(super) const STOP_DEV: u32 = code(WRITE_READ, 0x07, CONTROL_BYTES);
pub(super) const SET_PARAMS: u32 = code(WRITE_READ, 0x08, CONTROL_BYTES);

/// Commands for `/dev/ublkcN`, of a queue.
pub(super) const FETCH: u32 = code(WRITE_READ, 0x20, IO_BYTES);
pub(super) const COMMIT_AND_FETCH: u32 = code(WRITE_READ, 0x21, IO_BYTES);

const CONTROL_BYTES: u32 = 32;
const IO_BYTES: u32 = 16;
const WRITE_READ: u32 = 3;

/// As ioctl(2) encodes a command: which way data goes, how long it is, whose it is, its number.
const fn code(way: u32, number: u32, bytes: u32) -> u32 {
    way << 30 | bytes << 16 | (b'u' as u32) << 8 | number
}

/// Lets the kernel choose the number of a device.
pub(super) const ANY_DEVICE: u32 = u32::MAX;

/// Commands are encoded as above.
pub(super) const F_IOCTL_ENCODE: u64 = 1 << 6;

/// `struct ublksrv_ctrl_dev_info`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DeviceInfo {
    pub(super) queues: u16,
    pub(super) depth: u16,
    pub(super) state: u16,
    pub(super) pad: u16,
    /// The longest request's data.
    pub(super) max_bytes: u32,
    pub(super) id: u32,
    pub(super) pid: i32,
    pub(super) pad_1: u32,
    pub(super) flags: u64,
    pub(super) server_flags: u64,
    pub(super) owner: [u32; 2],
    pub(super) reserved: [u64; 2],
}

/// `struct ublk_params`, up to and with what is said of discards.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Params {
    /// In bytes.
    pub(super) length: u32,
    pub(super) types: u32,
    pub(super) attributes: u32,
    pub(super) logical_shift: u8,
    pub(super) physical_shift: u8,
    pub(super) io_opt_shift: u8,
    pub(super) io_min_shift: u8,
    pub(super) max_sectors: u32,
    pub(super) chunk_sectors: u32,
    pub(super) sectors: u64,
    pub(super) virt_boundary_mask: u64,
    pub(super) discard_alignment: u32,
    /// In bytes.
    pub(super) discard_granularity: u32,
    pub(super) max_discard_sectors: u32,
    pub(super) max_write_zeroes_sectors: u32,
    pub(super) max_discard_segments: u16,
    pub(super) reserved: u16,
}

/// How long that is there: a multiple of 4, not of 8.
pub(super) const PARAMS_BYTES: u32 = 60;

pub(super) const TYPE_BASIC: u32 = 1 << 0;
pub(super) const TYPE_DISCARD: u32 = 1 << 1;
pub(super) const READ_ONLY: u32 = 1 << 0;
pub(super) const VOLATILE_CACHE: u32 = 1 << 2;
pub(super) const FUA: u32 = 1 << 3;

/// `struct ublksrv_io_desc`: a request.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    /// What is to be done, in the low eight bits, and how.
    pub(super) op_flags: u32,
    pub(super) sectors: u32,
    pub(super) start: u64,
    pub(super) address: u64,
}

pub(super) const OP_READ: u32 = 0;
pub(super) const OP_WRITE: u32 = 1;
pub(super) const OP_FLUSH: u32 = 2;
pub(super) const OP_DISCARD: u32 = 3;
pub(super) const OP_WRITE_ZEROES: u32 = 5;
pub(super) const IO_FUA: u32 = 1 << 13;
pub(super) const IO_NO_UNMAP: u32 = 1 << 15;

/// The descriptors of a queue are mapped from here on, those of each queue this many bytes apart.
pub(super) const QUEUE_STRIDE: usize = 4096 * size_of::<Descriptor>();

const _: () = assert!(size_of::<DeviceInfo>() == 64 && size_of::<Descriptor>() == 24);
const _: () = assert!(std::mem::offset_of!(Params, reserved) + 2 == PARAMS_BYTES as usize);

/// `struct ublksrv_ctrl_cmd`, at the front of a long submission entry's command.
pub(super) fn control_command(device: u32, buffer: u64, bytes: u16, data: u64) -> [u8; 80] {
    let mut command = [0; 80];
    let no_queue = u16::MAX.to_ne_bytes();
    let mut put = |at: usize, bytes: &[u8]| command[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &device.to_ne_bytes());
    put(4, &no_queue);
    put(6, &bytes.to_ne_bytes());
    put(8, &buffer.to_ne_bytes());
    put(16, &data.to_ne_bytes());
    command
}

/// `struct ublksrv_io_cmd`.
pub(super) fn io_command(queue: u16, tag: u16, result: i32, buffer: u64) -> [u8; 16] {
    let mut command = [0; 16];
    let mut put = |at: usize, bytes: &[u8]| command[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &queue.to_ne_bytes());
    put(2, &tag.to_ne_bytes());
    put(4, &result.to_ne_bytes());
    put(8, &buffer.to_ne_bytes());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_the_numbers_of_the_header() {
        // What a C compiler makes of the header.
        let expected = [
            (ADD_DEV, 0xc020_7504),
            (DEL_DEV, 0xc020_7505),
            (START_DEV, 0xc020_7506),
            (STOP_DEV, 0xc020_7507),
            (SET_PARAMS, 0xc020_7508),
            (FETCH, 0xc010_7520),
            (COMMIT_AND_FETCH, 0xc010_7521),
        ];
        for (code, number) in expected {
            assert_eq!(code, number);
        }
    }

    #[test]
    fn commands_are_laid_out_as_in_the_header() {
        let command = control_command(0x0403_0201, 0x1122, 0x0807, 0x3344);
        assert_eq!(command[..8], [1, 2, 3, 4, 0xff, 0xff, 7, 8]);
        assert_eq!(command[8..24], [0x22, 0x11, 0, 0, 0, 0, 0, 0, 0x44, 0x33, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            io_command(2, 3, -5, 0x1122),
            [2, 0, 3, 0, 0xfb, 0xff, 0xff, 0xff, 0x22, 0x11, 0, 0, 0, 0, 0, 0]
        );
    }
}
