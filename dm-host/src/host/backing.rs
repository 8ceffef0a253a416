//! Backing devices: the files and block devices that tables lie on.

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dm_core::{Device, Limits, Mode, Sectors};

use super::claim::Claim;

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
    /// Keeps other processes off.
    pub(crate) claim: Arc<Claim>,
    /// Whether a read can be asked to fail rather than wait.
    pub(crate) reads_cached: AtomicBool,
}

/// What it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BackingKind {
    RegularFile,
    BlockDevice,
    Memory,
}

/// What makes two open files the same device: device and inode of a regular file, the number of a
/// block device.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum BackingId {
    File { device: u64, inode: u64 },
    Block { number: u64 },
}

impl BackingFile {
    /// Whether to try a read that takes only what is cached.
    pub(crate) fn reads_cached(&self) -> bool {
        self.reads_cached.load(Ordering::Relaxed)
    }

    /// Such a read was refused for good.
    pub(crate) fn set_never_cached(&self) {
        self.reads_cached.store(false, Ordering::Relaxed);
    }
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
