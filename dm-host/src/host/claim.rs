//! Keeps two processes from using one backing device at the same time.

use std::fs::File;
use std::io;

use dm_core::{Mode, OpenError};
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// This process's claim on a device: shared with other readers, or for itself alone to write.
///
/// It is an advisory lock, as flock(2) makes it; it binds those who ask for one too. Block devices
/// that are written are opened with `O_EXCL` besides, which keeps the kernel's own users off:
/// mounts, swap, RAID, its device mapper. A file system that knows no locks is used without.
pub(crate) struct Claim {
    /// Another descriptor of the open file that holds the lock.
    file: File,
    exclusive: Mutex<bool>,
}

impl Claim {
    /// Claims the device that `file` is, unless another process holds it.
    pub(crate) fn new(file: &File, mode: Mode) -> Result<Claim, OpenError> {
        let file = file.try_clone().map_err(|_| OpenError::Other("too many open files"))?;
        let claim = Claim { file, exclusive: Mutex::new(mode == Mode::ReadWrite) };
        claim.lock(mode)?;
        Ok(claim)
    }

    /// Makes a claim to read one to write, where `mode` wants that.
    pub(crate) fn widen(&self, mode: Mode) -> Result<(), OpenError> {
        let mut exclusive = self.exclusive.lock();
        if mode == Mode::ReadOnly || *exclusive {
            return Ok(());
        }
        if let Err(error) = self.lock(Mode::ReadWrite) {
            // A conversion that fails may lose the lock there was.
            let _ = self.lock(Mode::ReadOnly);
            return Err(error);
        }
        *exclusive = true;
        Ok(())
    }

    fn lock(&self, mode: Mode) -> Result<(), OpenError> {
        let operation = match mode {
            Mode::ReadWrite => FlockOperation::NonBlockingLockExclusive,
            Mode::ReadOnly => FlockOperation::NonBlockingLockShared,
        };
        match flock(&self.file, operation) {
            Ok(()) => Ok(()),
            Err(Errno::WOULDBLOCK) => Err(OpenError::Busy),
            Err(errno) => {
                tracing::debug!("no lock: {}", io::Error::from(errno));
                Ok(())
            }
        }
    }
}
