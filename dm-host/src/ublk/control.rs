//! Block devices made, started, stopped and taken away.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

use super::abi::{self, DeviceInfo, Params};

/// The driver's control device, and a ring for its commands, which need long entries.
pub(super) struct Control {
    ring: IoUring<squeue::Entry128, cqueue::Entry>,
    file: File,
}

impl Control {
    /// Opens [`abi::CONTROL`].
    pub(super) fn open() -> io::Result<Control> {
        let file = File::options().read(true).write(true).open(abi::CONTROL)?;
        let ring = IoUring::<squeue::Entry128, cqueue::Entry>::builder().build(4)?;
        Ok(Control { ring, file })
    }

    /// Makes a device, and changes `info` to what it is like.
    pub(super) fn add(&mut self, info: &mut DeviceInfo) -> io::Result<()> {
        let bytes = size_of::<DeviceInfo>() as u16;
        // SAFETY: the kernel reads and writes that many bytes, which any are right for.
        unsafe { self.run(abi::ADD_DEV, info.id, (&raw mut *info).addr() as u64, bytes, 0) }
    }

    /// Says what it is like, before it is started.
    pub(super) fn set_params(&mut self, device: u32, params: &Params) -> io::Result<()> {
        let bytes = abi::PARAMS_BYTES as u16;
        let address = (&raw const *params).addr() as u64;
        // SAFETY: the kernel reads that many bytes.
        unsafe { self.run(abi::SET_PARAMS, device, address, bytes, 0) }
    }

    /// Makes the block device, once all commands of all queues have come; it is read before this
    /// returns, for partitions.
    pub(super) fn start(&mut self, device: u32) -> io::Result<()> {
        let pid = std::process::id().into();
        // SAFETY: there is no memory.
        unsafe { self.run(abi::START_DEV, device, 0, 0, pid) }
    }

    /// Takes the block device away, once the requests on their way have ended, and then ends the
    /// commands of its queues.
    pub(super) fn stop(&mut self, device: u32) -> io::Result<()> {
        // SAFETY: as above.
        unsafe { self.run(abi::STOP_DEV, device, 0, 0, 0) }
    }

    /// Takes the device away, once nobody has `/dev/ublkcN` open.
    pub(super) fn delete(&mut self, device: u32) -> io::Result<()> {
        // SAFETY: as above.
        unsafe { self.run(abi::DEL_DEV, device, 0, 0, 0) }
    }

    /// Carries out a command.
    ///
    /// # Safety
    /// `buffer` must be the address of memory that the command may use.
    unsafe fn run(
        &mut self,
        command: u32,
        device: u32,
        buffer: u64,
        bytes: u16,
        data: u64,
    ) -> io::Result<()> {
        let words = abi::control_command(device, buffer, bytes, data);
        let fd = types::Fd(self.file.as_raw_fd());
        let entry = opcode::UringCmd80::new(fd, command).cmd(words).build();
        // SAFETY: as the caller promises; this waits until the kernel is done with the memory.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        pushed.map_err(io::Error::other)?;
        loop {
            let waited = self.ring.submit_and_wait(1);
            if let Some(completion) = self.ring.completion().next() {
                return match completion.result() {
                    0.. => Ok(()),
                    error => Err(io::Error::from_raw_os_error(error.wrapping_neg())),
                };
            }
            match waited {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }
}
