//! What stat(2) says.

use std::time::SystemTime;

use dm_core::{MappedDevice, Sectors};
use fuser::{FileAttr, FileType};

use super::node::{Entry, Node};
use crate::UserHost;

/// What all files have in common.
pub(super) struct Common {
    uid: u32,
    gid: u32,
    since: SystemTime,
}

impl Common {
    pub(super) fn new() -> Common {
        Common {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            since: SystemTime::now(),
        }
    }

    pub(super) fn of(&self, node: Node, size: u64) -> FileAttr {
        let (kind, perm, nlink) = match node {
            Node::Root | Node::Device(_) => (FileType::Directory, 0o700, 2),
            Node::Control | Node::Entry(_, Entry::Data) => (FileType::RegularFile, 0o600, 1),
            Node::Entry(_, Entry::Text(file)) if file.is_writable() => {
                (FileType::RegularFile, 0o600, 1)
            }
            Node::Targets | Node::Entry(..) => (FileType::RegularFile, 0o400, 1),
        };
        FileAttr {
            ino: node.inode(),
            size,
            blocks: size / 512,
            atime: self.since,
            mtime: self.since,
            ctime: self.since,
            crtime: self.since,
            kind,
            perm,
            nlink,
            uid: self.uid,
            gid: self.gid,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

/// The size of a device in bytes.
pub(super) fn size(device: &MappedDevice<UserHost>) -> u64 {
    let sectors = device.table().map_or(Sectors::ZERO, |table| table.size());
    // More than a file can be long is as long as a file can be.
    sectors.bytes().map_or(i64::MAX as u64, |bytes| bytes.min(i64::MAX as u64))
}
