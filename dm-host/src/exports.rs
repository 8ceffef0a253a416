//! The devices that are served to others than NBD clients.

use std::path::Path;
use std::sync::Arc;

use dm_core::MappedDevice;
use parking_lot::Mutex;

use crate::host::Place;
use crate::ublk::{self, UblkError};
use crate::vhost::{self, VhostError};
use crate::{Mapper, UserHost};

/// What serves devices, by its socket or its block device. Dropping it ends them all.
#[derive(Default)]
pub struct Exports {
    all: Mutex<Vec<Export>>,
}

enum Export {
    Vhost(vhost::Server),
    Ublk(Box<ublk::Disk>),
}

/// Why an export was not ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnexportError {
    /// There is none.
    #[error("nothing is exported there")]
    NotFound,
    /// It is a block device that is mounted, or that another table or program has for itself.
    #[error("the block device is in use")]
    Busy,
}

impl Exports {
    /// Starts serving a device to virtual machines, on a socket at `place` that is called `path`; see
    /// [`vhost::Server::start`].
    pub(crate) fn add_vhost(
        &self,
        mapper: &Arc<Mapper>,
        device: &MappedDevice<UserHost>,
        path: &Path,
        place: Place,
        queues: u16,
    ) -> Result<(), VhostError> {
        let server = vhost::Server::start_at(mapper, device, path, place, queues)?;
        self.all.lock().push(Export::Vhost(server));
        Ok(())
    }

    /// Makes a block device for a device, and returns its path; see [`ublk::Disk::start`].
    pub fn add_ublk(
        &self,
        mapper: &Arc<Mapper>,
        device: &MappedDevice<UserHost>,
        queues: u16,
    ) -> Result<String, UblkError> {
        let disk = ublk::Disk::start(mapper, device, queues)?;
        let path = disk.path().display().to_string();
        self.all.lock().push(Export::Ublk(Box::new(disk)));
        Ok(path)
    }

    /// Ends serving on the socket, or the block device, at `path`.
    pub fn remove(&self, path: &Path) -> Result<(), UnexportError> {
        let export = {
            let mut all = self.all.lock();
            let place = all.iter().position(|export| export.path() == path);
            let place = place.ok_or(UnexportError::NotFound)?;
            if all.get(place).is_some_and(Export::is_in_use) {
                return Err(UnexportError::Busy);
            }
            all.swap_remove(place)
        };
        drop(export);
        Ok(())
    }

    /// Ends all of them.
    pub fn clear(&self) {
        let all = std::mem::take(&mut *self.all.lock());
        drop(all);
    }
}

impl Export {
    fn path(&self) -> &Path {
        match self {
            Export::Vhost(server) => server.path(),
            Export::Ublk(disk) => disk.path(),
        }
    }

    fn is_in_use(&self) -> bool {
        match self {
            Export::Vhost(_) => false,
            Export::Ublk(disk) => disk.is_in_use(),
        }
    }
}
