//! An open file of text: a session of the control grammar.

use std::sync::atomic::{AtomicU64, Ordering};

use dm_core::{Change, MappedDevice};
use dm_proc_shim::{DeviceFile, File, Session};
use fuser::{Errno, LockOwner};
use parking_lot::Mutex;

use super::error;
use super::writer::Writer;
use crate::{Mapper, UserHost};

/// One open of a file of text.
pub(super) struct TextFile {
    file: File<UserHost>,
    is_writer: bool,
    /// None: whoever wrote it was killed.
    session: Mutex<Option<Session<UserHost>>>,
    /// The process that wrote last.
    writer: Mutex<Option<Writer>>,
    /// Whose descriptor was written to last.
    owner: Mutex<Option<LockOwner>>,
    /// The text as it was when the reader last began at the beginning.
    text: Mutex<String>,
    /// The event number that the reader knows of.
    seen: AtomicU64,
}

impl TextFile {
    pub(super) fn new(file: File<UserHost>, is_writer: bool) -> TextFile {
        let seen = device(&file).map_or(0, MappedDevice::events);
        TextFile {
            session: Mutex::new(Some(Session::new(file.clone()))),
            file,
            is_writer,
            writer: Mutex::default(),
            owner: Mutex::default(),
            text: Mutex::default(),
            seen: AtomicU64::new(seen),
        }
    }

    pub(super) fn is_writer(&self) -> bool {
        self.is_writer
    }

    /// Up to `size` bytes from the byte `offset` on. The text is as it was at the last read from the
    /// beginning.
    pub(super) fn read(&self, mapper: &Mapper, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let mut text = self.text.lock();
        if offset == 0 {
            let events = device(&self.file).map_or(0, MappedDevice::events);
            *text = self.file.read(mapper).map_err(|why| error::of_cause(why.cause))?.into_string();
            self.seen.store(events, Ordering::Release);
        }
        let bytes = text.as_bytes();
        let start = usize::try_from(offset).map_or(bytes.len(), |start| start.min(bytes.len()));
        let end = start.saturating_add(size as usize).min(bytes.len());
        Ok(bytes[start..end].to_vec())
    }

    /// Takes note of the thread that writes, and of whose table of descriptors it uses.
    pub(super) fn is_written_by(&self, thread: u32, owner: Option<LockOwner>) {
        *self.owner.lock() = owner;
        let mut writer = self.writer.lock();
        if !writer.as_ref().is_some_and(|writer| writer.is(thread)) {
            *writer = Writer::of(thread);
        }
    }

    /// Whether a descriptor that `owner` closes is not that of whoever wrote last, but one of a child,
    /// say, that was forked meanwhile and knows nothing of it.
    pub(super) fn is_closed_by_another(&self, owner: LockOwner) -> bool {
        self.owner.lock().is_some_and(|writer| writer != owner)
    }

    /// The signal that whoever wrote last died of.
    pub(super) fn writer_killed_by(&self) -> Option<u32> {
        self.writer.lock().as_ref().and_then(Writer::killed_by)
    }

    /// Takes bytes, and carries out the commands that they complete; waits for them.
    pub(super) fn write(&self, mapper: &Mapper, bytes: &[u8]) -> Result<(), Errno> {
        let mut wait = |change: &Change<UserHost>| {
            mapper.host().wait(change);
            Ok(())
        };
        let mut session = self.session.lock();
        // Others may have the same open file.
        let session = session.as_mut().ok_or(Errno::EIO)?;
        let written = session.write(mapper, bytes, &mut wait);
        written.map_err(|why| error::of_cause(why.cause))
    }

    /// Carries out what is left of what was written.
    pub(super) fn close(&self, mapper: &Mapper) -> Result<(), Errno> {
        let mut wait = |change: &Change<UserHost>| {
            mapper.host().wait(change);
            Ok(())
        };
        let mut session = self.session.lock();
        let Some(session) = session.as_mut() else {
            return Ok(());
        };
        let closed = session.close(mapper, &mut wait);
        closed.map_err(|why| error::of_cause(why.cause))
    }

    /// Drops what was written and not carried out, and takes no more.
    pub(super) fn abandon(&self) {
        let session = self.session.lock().take();
        drop(session);
    }

    /// What the log calls it.
    pub(super) fn name(&self) -> String {
        match &self.file {
            File::Device(device, file) => format!("{}/{}", device.name(), file.name()),
            _ => "control".into(),
        }
    }

    /// The device whose events this file tells of.
    pub(super) fn watched(&self) -> Option<&MappedDevice<UserHost>> {
        match &self.file {
            File::Device(device, DeviceFile::Events) => Some(device),
            _ => None,
        }
    }

    /// Whether there were events since the reader last looked.
    pub(super) fn has_news(&self) -> bool {
        let seen = self.seen.load(Ordering::Acquire);
        let is_news = |device: &MappedDevice<_>| device.events() != seen || device.is_removed();
        self.watched().is_none_or(is_news)
    }
}

fn device(file: &File<UserHost>) -> Option<&MappedDevice<UserHost>> {
    match file {
        File::Device(device, _) => Some(device),
        _ => None,
    }
}
