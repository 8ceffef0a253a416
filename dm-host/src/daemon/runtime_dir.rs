//! The directory where a daemon keeps its sockets, for one user alone.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory of one daemon: its control socket, its NBD socket, and the lock that says whether
/// it lives.
#[derive(Clone, Debug)]
pub struct RuntimeDir {
    path: PathBuf,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirError {
    /// It cannot be made, or looked at.
    #[error("{}: {why}", .path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
    /// It is something else.
    #[error("{} is not a directory", .path.display())]
    NotADirectory {
        /// What.
        path: PathBuf,
    },
    /// It belongs to somebody else, who could listen in.
    #[error("{} belongs to user {owner}, not to this user", .path.display())]
    Foreign {
        /// What.
        path: PathBuf,
        /// Whose.
        owner: u32,
    },
    /// Others may enter it.
    #[error("{} is open to others; close it with chmod 700", .path.display())]
    Open {
        /// What.
        path: PathBuf,
    },
    /// A daemon runs there.
    #[error("a daemon runs in {} already", .path.display())]
    InUse {
        /// Where.
        path: PathBuf,
    },
}

impl RuntimeDir {
    /// The directory at `path`; by default `$XDG_RUNTIME_DIR/dmctl`, or else `/tmp/dmctl-UID`.
    pub fn locate(path: Option<PathBuf>) -> RuntimeDir {
        let path = path.or_else(|| {
            let dir = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
            dir.is_absolute().then(|| dir.join("dmctl"))
        });
        let by_user = || format!("/tmp/dmctl-{}", rustix::process::geteuid().as_raw()).into();
        RuntimeDir { path: path.unwrap_or_else(by_user) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the control socket is.
    pub fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// Where the NBD socket is.
    pub fn nbd_socket(&self) -> PathBuf {
        self.path.join("nbd.sock")
    }

    /// Makes sure that it is this user's, and closed to others.
    pub fn check(&self) -> Result<(), DirError> {
        let path = self.path.clone();
        let found = match std::fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(why) => return Err(DirError::Io { path, why }),
        };
        let owner = found.uid();
        if !found.is_dir() {
            Err(DirError::NotADirectory { path })
        } else if owner != rustix::process::geteuid().as_raw() {
            Err(DirError::Foreign { path, owner })
        } else if found.mode() & 0o077 != 0 {
            Err(DirError::Open { path })
        } else {
            Ok(())
        }
    }

    /// Makes it if need be, and takes it for one daemon until the returned lock is dropped.
    ///
    /// Sockets that a daemon left behind when it died are removed.
    pub(crate) fn take(&self) -> Result<DirLock, DirError> {
        let failed = |path: &Path, why| DirError::Io { path: path.to_owned(), why };
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(&self.path, why));
            }
            _ => self.check()?,
        }
        let lock_path = self.path.join("lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = options.open(&lock_path).map_err(|why| failed(&lock_path, why))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DirError::InUse { path: self.path.clone() });
            }
            Err(TryLockError::Error(why)) => return Err(failed(&lock_path, why)),
        }
        for socket in [self.control_socket(), self.nbd_socket()] {
            match std::fs::remove_file(&socket) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(&socket, why));
                }
                _ => {}
            }
        }
        Ok(DirLock { _file: lock })
    }
}

/// Says that a daemon lives, for as long as it does.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: File,
}
