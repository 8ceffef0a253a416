//! The files that are open.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fuser::FileHandle;
use parking_lot::RwLock;

use super::data::Data;
use super::text_file::TextFile;

/// An open file.
#[derive(Clone)]
pub(super) enum Handle {
    Text(Arc<TextFile>),
    Data(Arc<Data>),
}

#[derive(Default)]
pub(super) struct Handles {
    next: AtomicU64,
    open: RwLock<HashMap<FileHandle, Handle>>,
}

impl Handles {
    pub(super) fn add(&self, handle: Handle) -> FileHandle {
        let number = FileHandle(self.next.fetch_add(1, Ordering::Relaxed));
        self.open.write().insert(number, handle);
        number
    }

    pub(super) fn get(&self, number: FileHandle) -> Option<Handle> {
        self.open.read().get(&number).cloned()
    }

    pub(super) fn remove(&self, number: FileHandle) -> Option<Handle> {
        self.open.write().remove(&number)
    }
}
