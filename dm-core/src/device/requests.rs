//! Requests to a mapped device: passed on, or held back while it is suspended.

use dm_targets::IoError;

use super::{MappedDevice, Phase, Then};
use crate::route::route;
use crate::{Bio, Host, Queue};

impl<H: Host> MappedDevice<H> {
    #[inline]
    pub(crate) fn submit(&self, bio: H::Bio) {
        let mut bio = bio;
        loop {
            match self.shared.gate.enter(self.shared.host.lane()) {
                Some(table) => return route(&*self.shared.host, table, bio),
                None => match self.hold(bio) {
                    Some(again) => bio = again,
                    None => return,
                },
            }
        }
    }

    /// Holds a request back; returns it if the gate was opened in the meantime.
    #[cold]
    fn hold(&self, bio: H::Bio) -> Option<H::Bio> {
        let (refused, error) = {
            let mut inner = self.lock();
            match inner.phase {
                Phase::Active => return Some(bio),
                Phase::Suspended | Phase::Draining(Then::Suspend | Then::Resume) => {
                    match inner.held.push(bio) {
                        Ok(()) => return None,
                        Err(bio) => (bio, IoError::OutOfMemory),
                    }
                }
                Phase::Empty | Phase::Removed | Phase::Draining(Then::Remove) => {
                    (bio, IoError::NoDevice)
                }
            }
        };
        refused.complete(Err(error));
        None
    }
}
