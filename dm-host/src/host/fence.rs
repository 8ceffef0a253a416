//! Which files may be named to this process by whoever controls it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// All files, or those below some directories.
///
/// A directory is held open from the start. A name is looked up from there by the kernel, which
/// refuses whatever leads out on the way, be it `..`, a symbolic link or a link of /proc: no other
/// process can change that between the look and the use.
#[derive(Clone, Default)]
pub(crate) struct Fence {
    /// None: all files.
    folders: Option<Arc<[Folder]>>,
}

struct Folder {
    /// As it was named, and as it is named without symbolic links.
    paths: [PathBuf; 2],
    fd: OwnedFd,
}

/// A file that may be used. Its path is good for as long as this is there.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    /// What `path` goes through.
    _held: Option<OwnedFd>,
}

/// Why names cannot be kept to a directory.
#[derive(Debug, thiserror::Error)]
#[error("cannot allow {}: {why}", .path.display())]
pub struct FenceError {
    /// The directory.
    pub path: PathBuf,
    /// Why not.
    pub why: io::Error,
}

/// A file is outside of all directories that may be used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it is not in a directory that this daemon may use")]
pub(crate) struct Outside;

impl Fence {
    /// Files below these directories; all files, where there are none.
    pub(crate) fn new(folders: &[PathBuf]) -> Result<Fence, FenceError> {
        if folders.is_empty() {
            return Ok(Fence::default());
        }
        let open = |path: &PathBuf| {
            Folder::open(path).map_err(|why| FenceError { path: path.clone(), why })
        };
        let folders = folders.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Fence { folders: Some(folders) })
    }

    /// Whether all files may be used.
    pub(crate) fn is_open(&self) -> bool {
        self.folders.is_none()
    }

    /// The file at `path`, which is absolute. One that is [`Outside`] is an error of kind
    /// `PermissionDenied`, whether it is there or not.
    pub(crate) fn file(&self, path: &Path) -> io::Result<Place> {
        self.find(path, OFlags::PATH, None)
    }

    /// A file that may not be there yet, in a folder that is.
    pub(crate) fn new_file(&self, path: &Path) -> io::Result<Place> {
        let path = std::path::absolute(path)?;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        self.find(folder, OFlags::PATH | OFlags::DIRECTORY, Some(name.as_ref()))
    }

    /// What is at `path`, and below it, `name`.
    fn find(&self, path: &Path, flags: OFlags, name: Option<&Path>) -> io::Result<Place> {
        let join = |path: &Path| name.map_or(path.to_owned(), |name| path.join(name));
        let Some(folders) = &self.folders else {
            return Ok(Place { path: join(path), _held: None });
        };
        for folder in folders.iter() {
            let Some(rest) = folder.rest_of(path) else { continue };
            match folder.open_below(rest, flags) {
                Ok(held) => {
                    let path = join(&PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd())));
                    return Ok(Place { path, _held: Some(held) });
                }
                Err(Errno::XDEV | Errno::LOOP) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        tracing::warn!("{} is outside of what --allow names", path.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, Outside))
    }

    /// The same, and those below `folder`.
    pub(crate) fn and(&self, folder: &Path) -> Result<Fence, FenceError> {
        let Some(folders) = &self.folders else {
            return Ok(Fence::default());
        };
        let paths: Vec<PathBuf> = folders.iter().map(|folder| folder.paths[0].clone()).collect();
        Fence::new(&[&paths[..], &[folder.to_owned()]].concat())
    }
}

impl Folder {
    fn open(path: &Path) -> io::Result<Folder> {
        let paths = [std::path::absolute(path)?, path.canonicalize()?];
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat2(CWD, &paths[1], flags, Mode::empty(), ResolveFlags::empty())?;
        Ok(Folder { paths, fd })
    }

    /// What `path` is from here, by its words.
    fn rest_of<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        let rest = self.paths.iter().find_map(|folder| path.strip_prefix(folder).ok())?;
        Some(if rest.as_os_str().is_empty() { Path::new(".") } else { rest })
    }

    fn open_below(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.fd, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
                // Something on the way was renamed meanwhile.
                Err(Errno::AGAIN | Errno::INTR) => {}
                opened => return opened,
            }
        }
    }
}

impl Place {
    /// Anywhere.
    pub(crate) fn plain(path: &Path) -> Place {
        Place { path: path.to_owned(), _held: None }
    }

    /// A path that leads there, and nowhere else.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests;
