//! Changes of a device that have to wait for its requests.

use crate::{Host, MappedDevice};

/// A change of a device that waits for its requests to drain.
///
/// It takes place whether or not somebody waits for it, as long as the host keeps to
/// [`Host::notify`].
#[must_use = "the change may not have taken place yet"]
pub struct Change<H: Host> {
    device: MappedDevice<H>,
}

impl<H: Host> Change<H> {
    pub(crate) fn new(device: MappedDevice<H>) -> Change<H> {
        Change { device }
    }

    /// Whether it has taken place, and the devices are closed of a table that it replaced. Ask again
    /// after [`Host::notify`].
    pub fn is_done(&self) -> bool {
        self.device.settle();
        !self.device.is_changing()
    }

    /// The device that changes.
    pub fn device(&self) -> &MappedDevice<H> {
        &self.device
    }
}

/// Why a device did not change its state, or its tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// It has no table, and none was loaded.
    #[error("the device has no table; load one first")]
    NoTable,
    /// It was removed.
    #[error("the device was removed")]
    Removed,
}
