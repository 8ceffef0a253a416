//! The devices that are served to virtual machines.

use std::path::Path;
use std::sync::Arc;

use dm_core::MappedDevice;
use parking_lot::Mutex;

use super::{Server, VhostError};
use crate::{Mapper, UserHost};

/// Servers, by their sockets. Dropping it ends them all.
#[derive(Default)]
pub struct Exports {
    servers: Mutex<Vec<Server>>,
}

impl Exports {
    /// Starts serving a device; see [`Server::start`].
    pub fn add(
        &self,
        mapper: &Arc<Mapper>,
        device: &MappedDevice<UserHost>,
        path: &Path,
        queues: u16,
    ) -> Result<(), VhostError> {
        let server = Server::start(mapper, device, path, queues)?;
        self.servers.lock().push(server);
        Ok(())
    }

    /// Ends serving on the socket at `path`. Returns whether there was one.
    pub fn remove(&self, path: &Path) -> bool {
        let server = {
            let mut servers = self.servers.lock();
            let place = servers.iter().position(|server| server.path() == path);
            place.map(|place| servers.swap_remove(place))
        };
        server.is_some()
    }

    /// Ends all of them.
    pub fn clear(&self) {
        let servers = std::mem::take(&mut *self.servers.lock());
        drop(servers);
    }
}
