//! Mounting and unmounting.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};

use super::record::Record;
use super::tree::ControlFilesystem;
use crate::Mapper;

/// The control filesystem, mounted. Dropping it unmounts it.
pub struct Mount {
    session: Option<BackgroundSession>,
    mountpoint: PathBuf,
}

/// Why nothing was mounted.
#[derive(Debug, thiserror::Error)]
#[error("cannot mount the control filesystem on {}: {why}", .mountpoint.display())]
pub struct MountError {
    mountpoint: PathBuf,
    why: io::Error,
}

impl Mount {
    /// Mounts what `mapper` holds on a directory, for this user alone.
    ///
    /// A line about each request for a `data` goes to `record`, where there is one:
    /// `NAME read|write|flush|discard|zero SECTOR SECTORS`. All of them are there once it is unmounted.
    pub fn new(
        mountpoint: &Path,
        mapper: Arc<Mapper>,
        record: Option<File>,
    ) -> Result<Mount, MountError> {
        let failed = |why| MountError { mountpoint: mountpoint.to_owned(), why };
        if let Err(why) = std::fs::metadata(mountpoint)
            && why.raw_os_error() == Some(rustix::io::Errno::NOTCONN.raw_os_error())
        {
            // A daemon that died left its mount behind.
            unmount_lazily(mountpoint);
        }
        let mountpoint = std::path::absolute(mountpoint).map_err(failed)?;
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("dmctl".into()),
            MountOption::Subtype("dm".into()),
            MountOption::NoDev,
            MountOption::NoSuid,
            MountOption::NoExec,
            MountOption::NoAtime,
        ];
        config.acl = SessionACL::Owner;
        // One, so that requests are begun in the order in which they were made: a file that was
        // closed no longer keeps its device from being removed.
        config.n_threads = Some(1);
        let filesystem = ControlFilesystem::new(mapper, record.map(Record::new));
        let session = Session::new(filesystem, &mountpoint, &config)
            .and_then(Session::spawn)
            .map_err(failed)?;
        Ok(Mount { session: Some(session), mountpoint })
    }

    /// Where it is mounted.
    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }

    /// Unmounts it. Where files are still open, they stay usable until this process ends.
    pub fn unmount(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        if session.umount_and_join().is_err() {
            unmount_lazily(&self.mountpoint);
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.end();
    }
}

fn unmount_lazily(mountpoint: &Path) {
    use rustix::mount::{UnmountFlags, unmount};
    if unmount(mountpoint, UnmountFlags::DETACH).is_err() {
        let mut command = Command::new("fusermount3");
        command.args(["-u", "-z", "-q", "--"]).arg(mountpoint);
        // Nothing is left to try if that fails too.
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
