//! Backing devices: the files and block devices that tables lie on.

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use dm_core::{Device, Limits, Mode, Sectors};

use super::claim::Claim;
use super::remote::Remote;

/// An open backing device of a [`UserHost`](super::UserHost); clones are the same.
#[derive(Clone)]
pub struct BackingDevice {
    pub(crate) file: Arc<BackingFile>,
    /// What to call it to open it again.
    pub(crate) name: Arc<str>,
}

/// An open file, which all who open the same device in the same way share.
pub(crate) struct BackingFile {
    pub(crate) file: File,
    pub(crate) id: BackingId,
    pub(crate) kind: BackingKind,
    pub(crate) size: Sectors,
    pub(crate) limits: Limits,
    /// Whether it was opened past the page cache.
    pub(crate) direct: bool,
    pub(crate) mode: Mode,
    /// Who carries out what is asked of it, where that is another server; then `file` is empty.
    pub(crate) remote: Option<Remote>,
    /// Keeps other processes off.
    pub(crate) claim: Arc<Claim>,
    /// Whether the page cache is between it and whoever reads and writes it.
    pub(crate) cached: bool,
    /// Whether a read can be asked to fail rather than wait.
    pub(crate) reads_at_once: AtomicBool,
    /// Whether a write can.
    pub(crate) writes_at_once: AtomicBool,
}

/// What it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BackingKind {
    RegularFile,
    BlockDevice,
    Memory,
    /// An NBD export.
    Remote,
}

/// What makes two open files the same device: device and inode of a regular file, the number of a
/// block device.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum BackingId {
    File { device: u64, inode: u64 },
    Block { number: u64 },
}

impl Device for BackingDevice {
    fn size(&self) -> Sectors {
        self.file.size
    }

    fn limits(&self) -> Limits {
        self.file.limits
    }

    fn is_same(&self, other: &BackingDevice) -> bool {
        self.file.id == other.file.id
    }

    fn write_name(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(&self.name)
    }
}
