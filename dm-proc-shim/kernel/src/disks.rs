//! All disks: made, refreshed and taken away as their devices come, change and go.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::c_int;

use dm_core::{MappedDevice, OutOfMemory, take_at, try_insert};

use crate::disk::Disk;
use crate::glue;
use crate::host::{Kernel, Mapper};
use crate::say::say;
use crate::shown::Shown;

/// All disks, in the order of their minors.
#[derive(Default)]
pub(crate) struct Disks {
    /// Each in a place of its own, whose address C has.
    #[allow(clippy::vec_box)]
    all: Vec<Box<Disk>>,
}

impl Disks {
    /// Makes disks for devices that have none, takes away those of devices that are gone, and
    /// refreshes the others. Where a device gets no disk it is removed again; says why.
    pub(crate) fn reconcile(&mut self, mapper: &Mapper) -> Result<(), c_int> {
        let shown = &mapper.host().shown;
        let devices = mapper.list().map_err(|OutOfMemory| glue::ENOMEM)?;
        // Those that go first: their numbers, and names, may be in use again.
        let mut n = 0;
        while let Some(disk) = self.all.get(n) {
            let minor = disk.device().minor();
            let found = devices.binary_search_by_key(&minor, MappedDevice::minor);
            let device = found.ok().and_then(|at| devices.get(at));
            if device.is_some_and(|device| disk.is_of(device)) || is_leaving(disk.device()) {
                n = n.saturating_add(1);
            } else {
                let gone = take_at(&mut self.all, n);
                gone.into_iter().for_each(|disk| disk.remove(shown));
            }
        }
        let mut result = Ok(());
        for device in &devices {
            let found =
                self.all.binary_search_by_key(&device.minor(), |disk| disk.device().minor());
            let made = match found {
                // One of that number that is still leaving: it brings us back when it has left.
                Ok(at) if self.all.get(at).is_some_and(|disk| disk.device() != device) => continue,
                Ok(at) => Ok(at),
                Err(at) => self.create(at, device, shown).map(|()| at),
            };
            let refreshed = made.and_then(|at| {
                self.all.get(at).map_or(Ok(()), |disk| disk.refresh()).map_err(|_| glue::ENOMEM)
            });
            if let (Err(error), Err(_)) = (refreshed, found) {
                say(format_args!("{}: no disk for it: error {error}", device.name()));
                let _ = mapper.remove(device);
            }
            result = result.and(refreshed);
        }
        result
    }

    fn create(
        &mut self,
        at: usize,
        device: &MappedDevice<Kernel>,
        shown: &Shown,
    ) -> Result<(), c_int> {
        self.all.try_reserve(1).map_err(|_| glue::ENOMEM)?;
        let disk = Disk::create(device.clone(), shown)?;
        // There is room: a disk must not be dropped while C knows of it.
        let _ = try_insert(&mut self.all, at, disk);
        Ok(())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

/// Whether a device is being removed, and still has requests on their way.
fn is_leaving(device: &MappedDevice<Kernel>) -> bool {
    device.is_removed() && device.table().is_some()
}
