//! All disks: made, refreshed and taken away as their devices come, change and go.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::c_int;

use dm_core::{DeviceName, MappedDevice, Minor, take_at, try_insert};

use crate::disk::Disk;
use crate::glue;
use crate::host::{Kernel, Mapper};
use crate::say::say;

/// All disks, in the order of their minors.
#[derive(Default)]
pub(crate) struct Disks {
    all: Vec<Place>,
}

/// A device, and its disk.
struct Place {
    device: MappedDevice<Kernel>,
    /// What the disk is called, or was.
    name: DeviceName,
    /// Gone, while the device is renamed, or since there was no memory to make it anew. In a place of
    /// its own, whose address C has.
    disk: Option<Box<Disk>>,
}

/// Who has the disks follow the devices.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Follower {
    /// Whoever wrote to `control`, and is told if there is no memory: only that makes disks.
    Writer,
    /// The work item.
    Work,
}

impl Disks {
    /// Makes disks for devices that have none, or another name, takes away those of devices that are
    /// gone, and refreshes the others. A device that gets no disk is removed again, or gets its name
    /// back; says why.
    pub(crate) fn reconcile(&mut self, mapper: &Mapper, follower: Follower) -> Result<(), c_int> {
        let shown = &mapper.host().shown;
        // Those that go first: their numbers, and names, may be in use again.
        let mut n = 0;
        while let Some(place) = self.all.get_mut(n) {
            if has_left(&place.device) {
                let gone = take_at(&mut self.all, n).and_then(|place| place.disk);
                gone.into_iter().for_each(|disk| disk.remove(shown));
                continue;
            }
            if follower == Follower::Writer {
                let renamed = place.disk.take_if(|disk| !disk.has_its_name());
                renamed.into_iter().for_each(|disk| disk.remove(shown));
            }
            n = n.saturating_add(1);
        }
        let mut result = Ok(());
        let mut next = Minor::new(0);
        while let Some(device) = next.and_then(|from| mapper.first_from(from)) {
            next = device.minor().next();
            let found =
                self.all.binary_search_by_key(&device.minor(), |place| place.device.minor());
            let followed = match found.map(|at| self.all.get_mut(at)) {
                Ok(Some(place)) => place.follow(&device, mapper, follower),
                Err(at) if follower == Follower::Writer => self.create(at, &device, mapper),
                _ => Ok(()),
            };
            result = result.and(followed);
        }
        result
    }

    fn create(
        &mut self,
        at: usize,
        device: &MappedDevice<Kernel>,
        mapper: &Mapper,
    ) -> Result<(), c_int> {
        let room = self.all.try_reserve(1).map_err(|_| glue::ENOMEM);
        let disk = room.and_then(|()| Disk::create(device.clone(), &mapper.host().shown));
        let disk = disk.inspect_err(|&error| {
            complain(device, error);
            let _ = mapper.remove(device);
        })?;
        disk.refresh();
        let (device, name) = (device.clone(), disk.name().clone());
        // There is room: a disk must not be dropped while C knows of it.
        let _ = try_insert(&mut self.all, at, Place { device, name, disk: Some(disk) });
        Ok(())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

impl Place {
    fn follow(
        &mut self,
        device: &MappedDevice<Kernel>,
        mapper: &Mapper,
        follower: Follower,
    ) -> Result<(), c_int> {
        // One of that number that is still leaving: it brings us back when it has left.
        if self.device != *device {
            return Ok(());
        }
        let mut result = Ok(());
        if self.disk.is_none() && follower == Follower::Writer {
            result = self.make(mapper);
        }
        if let Some(disk) = &self.disk {
            disk.refresh();
        }
        result
    }

    /// Makes the disk anew, after its device was renamed. Without memory for it the device gets its
    /// old name back, and the disk with it; the next who writes tries again if that fails as well.
    fn make(&mut self, mapper: &Mapper) -> Result<(), c_int> {
        let mut result = Ok(());
        for _ in 0..2 {
            match Disk::create(self.device.clone(), &mapper.host().shown) {
                Ok(disk) => {
                    self.name = disk.name().clone();
                    self.disk = Some(disk);
                    return result;
                }
                Err(error) => {
                    complain(&self.device, error);
                    result = result.and(Err(error));
                    // Where the name is taken by now, the device keeps the new one.
                    let _ = mapper.rename(&self.device, self.name.clone());
                }
            }
        }
        result
    }
}

fn complain(device: &MappedDevice<Kernel>, error: c_int) {
    say(format_args!("{}: no disk for it: error {error}", device.name()));
}

/// Whether a device was removed, and has no requests on their way any more.
fn has_left(device: &MappedDevice<Kernel>) -> bool {
    device.is_removed() && device.table().is_none()
}
