//! A mapped device in use: what an export, a file, or another device's table holds.

use dm_sync::Arc;
use dm_table::Sectors;

use crate::{Host, Limits, MappedDevice, Mode, Table};

/// An open mapped device. It can neither be removed nor renamed until this is dropped.
pub struct Open<H: Host> {
    pub(crate) device: MappedDevice<H>,
}

impl<H: Host> Open<H> {
    /// The device.
    pub fn device(&self) -> &MappedDevice<H> {
        &self.device
    }

    /// Starts a request. It completes once, perhaps before this returns; while the device is
    /// suspended it waits.
    pub fn submit(&self, bio: H::Bio) {
        self.device.submit(bio);
    }

    /// Starts many requests, in their order; each as if it were submitted by itself.
    ///
    /// In a large table, where they go is looked up side by side, so that one does not wait for the
    /// other's cache misses.
    pub fn submit_all(&self, bios: impl IntoIterator<Item = H::Bio>) {
        self.device.submit_all(bios);
    }

    /// How long the live table is; none without one.
    pub fn size(&self) -> Sectors {
        self.live(|table| table.size()).unwrap_or(Sectors::ZERO)
    }

    /// What requests must keep to.
    pub fn limits(&self) -> Limits {
        self.live(|table| table.limits()).unwrap_or(Limits::NONE)
    }

    /// Whether it may be written.
    pub fn mode(&self) -> Mode {
        self.live(|table| table.mode()).unwrap_or_default()
    }

    fn live<T>(&self, read: impl FnOnce(&Arc<Table<H>>) -> T) -> Option<T> {
        self.device.table().as_ref().map(read)
    }
}

impl<H: Host> Clone for Open<H> {
    fn clone(&self) -> Open<H> {
        self.device.open_again()
    }
}

impl<H: Host> Drop for Open<H> {
    fn drop(&mut self) {
        self.device.closed();
    }
}

/// Why a device was not opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenDeviceError {
    /// It was removed.
    #[error("the device was removed")]
    Removed,
}
