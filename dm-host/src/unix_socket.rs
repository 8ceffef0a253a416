//! Unix sockets to serve on, for this user alone.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen as start, socket_with,
};

/// Why a server does not listen, where the system does not say it.
#[derive(Debug, thiserror::Error)]
enum BindError {
    /// Another server listens there.
    #[error("another server listens on {}", .path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// There is something else in the place of the socket.
    #[error("{} is there and is no socket", .path.display())]
    NotASocket {
        /// What is there.
        path: PathBuf,
    },
}

impl From<BindError> for io::Error {
    fn from(error: BindError) -> io::Error {
        let kind = match error {
            BindError::InUse { .. } => io::ErrorKind::AddrInUse,
            BindError::NotASocket { .. } => io::ErrorKind::AlreadyExists,
        };
        io::Error::new(kind, error)
    }
}

/// How many clients may wait to be accepted.
const BACKLOG: i32 = 64;

/// Listens on a socket at `path`, without ever waiting for a client.
///
/// A directory that is missing is made, for this user alone too. The socket of a server that is gone
/// is replaced.
pub(crate) fn listen(path: &Path) -> io::Result<OwnedFd> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    remove_stale(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Before there is a name to connect to.
    fchmod(&listener, Mode::RUSR | Mode::WUSR)?;
    bind(&listener, &SocketAddrUnix::new(path)?)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    start(&listener, BACKLOG)?;
    Ok(listener)
}

/// Removes a socket that nobody listens on.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(BindError::NotASocket { path: path.into() }.into())
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            Err(BindError::InUse { path: path.into() }.into())
        }
        Ok(_) => std::fs::remove_file(path),
    }
}
