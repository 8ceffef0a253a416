//! Opens backing devices by name, and shares those that are open.

use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use dm_core::{Limits, Mode, OpenError, Sectors};
use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, OFlags, memfd_create};
use rustix::io::Errno;

use super::backing::{BackingDevice, BackingFile, BackingId, BackingKind};
use super::backing_name::BackingName;
use super::claim::Claim;
use super::fence::{Fence, Outside};
use super::geometry;
use super::remote::{Address, Remote};

/// The backing devices that are open, by what they are.
pub(crate) struct Catalog {
    fence: Fence,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    files: HashMap<BackingId, Vec<Weak<BackingFile>>>,
    /// How many there were after those that were closed had been forgotten last.
    kept: usize,
    memory: HashMap<String, Weak<BackingFile>>,
    /// NBD exports, by name and mode.
    remote: HashMap<(String, Mode), Weak<BackingFile>>,
}

const FENCED: OpenError = OpenError::Other("this daemon may only use files in some directories");

impl Catalog {
    /// Opens nothing but files that are within the fence, where there is one.
    pub(crate) fn new(fence: Fence) -> Catalog {
        Catalog { fence, inner: Mutex::default() }
    }

    /// The files that may be opened.
    pub(crate) fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Opens the device that a table calls `name`.
    pub(crate) fn open(&self, name: &str, mode: Mode) -> Result<BackingDevice, OpenError> {
        match BackingName::parse(name)? {
            BackingName::Remote(_) | BackingName::Memory { .. } if !self.fence.is_open() => {
                tracing::warn!("{name} is outside of what --allow names");
                Err(FENCED)
            }
            BackingName::Remote(address) => self.open_remote(name, address, mode),
            BackingName::Memory { size } => self.open_memory(name, size),
            BackingName::Number { major, minor } => {
                let path = device_path(major, minor).ok_or(OpenError::NotFound)?;
                self.open_path(name.into(), &path, false, mode)
            }
            BackingName::File { path, direct } => {
                // Printed tables must load wherever they are loaded.
                let path = std::path::absolute(&path).unwrap_or(path);
                let prefix = if direct { "direct:" } else { "" };
                let name = match path.to_str() {
                    Some(path) => format!("{prefix}{path}").into(),
                    None => name.into(),
                };
                self.open_path(name, &path, direct, mode)
            }
        }
    }

    /// The disk in memory of that name: the one that is open, or else a new one.
    fn open_memory(&self, name: &str, size: Sectors) -> Result<BackingDevice, OpenError> {
        let mut inner = self.inner.lock();
        let open = inner.memory.get(name).and_then(Weak::upgrade);
        let file = match open {
            Some(file) => file,
            None => {
                let file = Arc::new(create_memory(size)?);
                inner.memory.retain(|_, file| file.strong_count() > 0);
                inner.memory.insert(name.into(), Arc::downgrade(&file));
                file
            }
        };
        Ok(BackingDevice { file, name: name.into() })
    }

    /// The export of that name: the connection there is, or else a new one.
    fn open_remote(
        &self,
        name: &str,
        address: Address,
        mode: Mode,
    ) -> Result<BackingDevice, OpenError> {
        let key = (name.to_owned(), mode);
        let open = self.inner.lock().remote.get(&key).and_then(Weak::upgrade);
        let file = match open {
            Some(file) => {
                file.remote.iter().for_each(Remote::try_again);
                file
            }
            None => {
                // Without the lock: it may take some time.
                let file = Arc::new(connect_remote(address, mode)?);
                let mut inner = self.inner.lock();
                inner.remote.retain(|_, file| file.strong_count() > 0);
                inner.remote.insert(key, Arc::downgrade(&file));
                file
            }
        };
        Ok(BackingDevice { file, name: name.into() })
    }

    fn open_path(
        &self,
        name: Arc<str>,
        path: &Path,
        direct: bool,
        mode: Mode,
    ) -> Result<BackingDevice, OpenError> {
        let place = self.fence.file(path).map_err(open_error)?;
        let path = place.path();
        let (kind, id) = identify(&std::fs::metadata(path).map_err(open_error)?)?;
        let mut inner = self.inner.lock();
        let open = inner.open_files(id);
        let size = |file: &File| geometry::size(file, kind).map_err(open_error);
        for file in &open {
            // A file that has grown since is opened again, to have the new size.
            if file.direct == direct && file.mode == mode && size(&file.file)? == file.size {
                return Ok(BackingDevice { file: file.clone(), name });
            }
        }
        let claim = open.first().map(|file| file.claim.clone());
        let exclusive = kind == BackingKind::BlockDevice && !claim_excludes(&open);
        let file = open_file(path, direct, mode, exclusive)?;
        let (kind, id) = match identify(&file.metadata().map_err(open_error)?)? {
            same if same == (kind, id) => same,
            // Replaced by something else between the two looks at it.
            _ => return Err(OpenError::Busy),
        };
        let claim = match claim {
            Some(claim) => claim.widen(mode).map(|()| claim)?,
            None => Arc::new(Claim::new(&file, mode)?),
        };
        let size = size(&file)?;
        let limits = geometry::limits(&file, kind, direct)?;
        let file = Arc::new(BackingFile {
            cached: !direct,
            reads_at_once: AtomicBool::new(true),
            writes_at_once: AtomicBool::new(true),
            remote: None,
            file,
            id,
            kind,
            size,
            limits,
            direct,
            mode,
            claim,
        });
        inner.insert(&file);
        Ok(BackingDevice { file, name })
    }
}

impl Inner {
    fn open_files(&self, id: BackingId) -> Vec<Arc<BackingFile>> {
        let files = self.files.get(&id).into_iter().flatten();
        files.filter_map(Weak::upgrade).collect()
    }

    fn insert(&mut self, file: &Arc<BackingFile>) {
        if self.files.len() > 2 * self.kept + 16 {
            self.files.retain(|_, files| files.iter().any(|file| file.strong_count() > 0));
            self.kept = self.files.len();
        }
        let files = self.files.entry(file.id).or_default();
        files.retain(|file| file.strong_count() > 0);
        files.push(Arc::downgrade(file));
    }
}

/// Whether one of them was opened with `O_EXCL`; a second time would be refused.
fn claim_excludes(open: &[Arc<BackingFile>]) -> bool {
    open.iter().any(|file| file.mode == Mode::ReadWrite)
}

fn identify(metadata: &Metadata) -> Result<(BackingKind, BackingId), OpenError> {
    let file_type = metadata.file_type();
    if file_type.is_block_device() {
        let number = metadata.rdev();
        return Ok((BackingKind::BlockDevice, BackingId::Block { number }));
    }
    if !file_type.is_file() {
        return Err(OpenError::NotADevice);
    }
    let (device, inode) = (metadata.dev(), metadata.ino());
    Ok((BackingKind::RegularFile, BackingId::File { device, inode }))
}

fn open_file(path: &Path, direct: bool, mode: Mode, exclusive: bool) -> Result<File, OpenError> {
    let open = |write: bool| {
        let mut flags = OFlags::empty();
        flags.set(OFlags::DIRECT, direct);
        flags.set(OFlags::EXCL, exclusive && write);
        let mut options = OpenOptions::new();
        options.read(true).write(write).custom_flags(flags.bits() as i32).open(path)
    };
    open(mode == Mode::ReadWrite).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::INVAL) if direct => OpenError::Other("its file system has no direct I/O"),
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS)
            if mode == Mode::ReadWrite && open(false).is_ok() =>
        {
            OpenError::ReadOnly
        }
        _ => open_error(error),
    })
}

/// A file without a name.
fn memory_file() -> Result<File, OpenError> {
    let file = memfd_create("device-mapper", MemfdFlags::CLOEXEC).map_err(io::Error::from);
    Ok(File::from(file.map_err(open_error)?))
}

fn connect_remote(address: Address, mode: Mode) -> Result<BackingFile, OpenError> {
    let remote = Remote::open(address, mode)?;
    let file = memory_file()?;
    let (_, id) = identify(&file.metadata().map_err(open_error)?)?;
    Ok(BackingFile {
        claim: Arc::new(Claim::new(&file, mode)?),
        file,
        id,
        kind: BackingKind::Remote,
        size: remote.size(),
        limits: remote.limits(),
        direct: false,
        mode,
        cached: false,
        reads_at_once: AtomicBool::new(false),
        writes_at_once: AtomicBool::new(false),
        remote: Some(remote),
    })
}

fn create_memory(size: Sectors) -> Result<BackingFile, OpenError> {
    let bytes = size.bytes().ok_or(OpenError::OutOfMemory)?;
    let file = memory_file()?;
    file.set_len(bytes).map_err(|_| OpenError::OutOfMemory)?;
    let (_, id) = identify(&file.metadata().map_err(open_error)?)?;
    Ok(BackingFile {
        claim: Arc::new(Claim::new(&file, Mode::ReadWrite)?),
        file,
        id,
        kind: BackingKind::Memory,
        size,
        limits: Limits {
            physical_block: geometry::PAGE,
            max_transfer: geometry::MAX_TRANSFER,
            ..Limits::NONE
        },
        direct: false,
        mode: Mode::ReadWrite,
        cached: false,
        reads_at_once: AtomicBool::new(false),
        writes_at_once: AtomicBool::new(false),
        remote: None,
    })
}

/// Where the block device of that number is to be found.
fn device_path(major: u32, minor: u32) -> Option<PathBuf> {
    let link = PathBuf::from(format!("/dev/block/{major}:{minor}"));
    if link.exists() {
        return Some(link);
    }
    let uevent = format!("/sys/dev/block/{major}:{minor}/uevent");
    let text = std::fs::read_to_string(uevent).ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    Some(Path::new("/dev").join(name))
}

pub(crate) fn open_error(error: io::Error) -> OpenError {
    if error.get_ref().is_some_and(|why| why.is::<Outside>()) {
        return FENCED;
    }
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::NXIO | Errno::NODEV) => OpenError::NotFound,
        Some(Errno::ACCESS | Errno::PERM) => OpenError::Denied,
        Some(Errno::ROFS) => OpenError::ReadOnly,
        Some(Errno::BUSY | Errno::TXTBSY) => OpenError::Busy,
        Some(Errno::ISDIR) => OpenError::NotADevice,
        Some(Errno::NOMEM) => OpenError::OutOfMemory,
        Some(Errno::MFILE | Errno::NFILE) => OpenError::Other("too many open files"),
        Some(Errno::LOOP) => OpenError::Other("too many symbolic links"),
        Some(Errno::NAMETOOLONG) => OpenError::Other("the name is too long"),
        _ => {
            tracing::warn!("a backing device does not open: {error}");
            OpenError::Other("the system refuses to open it")
        }
    }
}
