//! All the mapped devices of a host, and the target types that their tables may name.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use dm_sync::{Arc, OutOfMemory, Text, take_at, try_insert};
use dm_targets::{RegisterError, Registry, TargetType};
use lock_api::Mutex;

use crate::device::InUse;
use crate::load::{Loader, lies_on};
use crate::{
    Change, DeviceName, Host, LoadError, LoadFailed, MAX_DEPTH, MappedDevice, Minor, Mode,
};
use crate::{Table, Uuid};

/// Creates, finds and removes mapped devices, and loads their tables.
///
/// - Getters: [`list`](Self::list), [`first_from`](Self::first_from), [`find`](Self::find),
///   [`target_types`](Self::target_types)
/// - Inputs: [`register`](Self::register), [`create`](Self::create), [`remove`](Self::remove),
///   [`rename`](Self::rename), [`load`](Self::load), [`check`](Self::check)
///
/// What concerns one device alone is asked of the [`MappedDevice`].
pub struct DeviceMapper<H: Host> {
    host: Arc<H>,
    registry: Mutex<H::Lock, Registry>,
    /// In the order of their minors.
    devices: Mutex<H::Lock, Vec<MappedDevice<H>>>,
}

/// What a device may be created with, apart from its name.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// Its number; the lowest one that is free by default.
    pub minor: Option<Minor>,
    /// An identifier that outlives renames; none by default.
    pub uuid: Option<Uuid>,
}

/// Why no device was created.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// Another device has the name.
    #[error("a device of that name exists already")]
    NameTaken,
    /// Another device has the number.
    #[error("minor {minor} is taken")]
    MinorTaken {
        /// The number.
        minor: Minor,
    },
    /// Another device has the uuid.
    #[error("a device of that uuid exists already")]
    UuidTaken,
    /// All numbers are taken.
    #[error("all minors are taken")]
    NoMinorLeft,
    /// There is no memory for it.
    #[error("out of memory")]
    OutOfMemory,
}

impl From<OutOfMemory> for CreateError {
    fn from(_: OutOfMemory) -> CreateError {
        CreateError::OutOfMemory
    }
}

/// Why a device was not removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// Somebody uses it.
    #[error("the device is in use: it is open {opens} time{}", if *.opens == 1 { "" } else { "s" })]
    Busy {
        /// How many.
        opens: u32,
    },
}

/// Why a device was not renamed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RenameError {
    /// Another device has the new name.
    #[error("a device of that name exists already")]
    NameTaken,
    /// Somebody uses it.
    #[error("the device is in use: it is open {opens} time{}", if *.opens == 1 { "" } else { "s" })]
    Busy {
        /// How many.
        opens: u32,
    },
}

/// Why a table was not loaded into a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadDeviceError {
    /// The table was refused.
    #[error("{0}")]
    Refused(#[from] LoadFailed),
    /// The device was removed.
    #[error("the device was removed")]
    Removed,
    /// While the table was validated, another load closed a circle, or stacked too much.
    #[error("another load, at the same time, made this table one that lies on itself, or too deep")]
    Overtaken,
    /// There is no memory for it.
    #[error("out of memory")]
    OutOfMemory,
}

impl From<OutOfMemory> for LoadDeviceError {
    fn from(_: OutOfMemory) -> LoadDeviceError {
        LoadDeviceError::OutOfMemory
    }
}

impl<H: Host> DeviceMapper<H> {
    /// One without devices, on `host`, that knows the target types of `registry`.
    pub fn new(host: H, registry: Registry) -> Result<DeviceMapper<H>, OutOfMemory> {
        Ok(DeviceMapper {
            host: Arc::try_new(host)?,
            registry: Mutex::new(registry),
            devices: Mutex::new(Vec::new()),
        })
    }

    /// The host underneath.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Adds a target type; tables that are loaded from now on may name it.
    pub fn register<T: TargetType + 'static>(&self, target_type: T) -> Result<(), RegisterError> {
        self.registry.lock().register(target_type)
    }

    /// The target types that tables may name.
    pub fn target_types(&self) -> Result<Registry, OutOfMemory> {
        self.registry.lock().try_clone()
    }

    /// Creates a device without a table.
    pub fn create(
        &self,
        name: DeviceName,
        options: CreateOptions,
    ) -> Result<MappedDevice<H>, CreateError> {
        // Whoever settled a removal may not have come to this yet.
        self.forget_removed();
        let mut devices = self.devices.lock();
        for device in devices.iter() {
            if device.name() == name {
                return Err(CreateError::NameTaken);
            }
            if options.uuid.is_some() && device.uuid() == options.uuid {
                return Err(CreateError::UuidTaken);
            }
        }
        let minor = match options.minor {
            Some(minor) => minor,
            None => lowest_free(&devices).ok_or(CreateError::NoMinorLeft)?,
        };
        let place = match devices.binary_search_by_key(&minor, |device| device.minor()) {
            Ok(_) => return Err(CreateError::MinorTaken { minor }),
            Err(place) => place,
        };
        let device = MappedDevice::new(self.host.clone(), name, minor, options.uuid)?;
        try_insert(&mut devices, place, device.clone())?;
        Ok(device)
    }

    /// The device of that name.
    pub fn find(&self, name: &str) -> Option<MappedDevice<H>> {
        self.find_by(|device| device.name().as_str() == name)
    }

    /// The device of that number.
    pub fn find_minor(&self, minor: Minor) -> Option<MappedDevice<H>> {
        self.find_by(|device| device.minor() == minor)
    }

    /// All devices, in the order of their minors.
    pub fn list(&self) -> Result<Vec<MappedDevice<H>>, OutOfMemory> {
        let devices = self.devices.lock();
        let mut list = Vec::new();
        list.try_reserve_exact(devices.len())?;
        list.extend(devices.iter().filter(|device| !device.is_removed()).cloned());
        Ok(list)
    }

    /// The device of the lowest number from `minor` on: for going through all of them where there may
    /// be no memory for a [list](Self::list).
    pub fn first_from(&self, minor: Minor) -> Option<MappedDevice<H>> {
        let devices = self.devices.lock();
        let place = devices.partition_point(|device| device.minor() < minor);
        devices.iter().skip(place).find(|device| !device.is_removed()).cloned()
    }

    /// Removes a device that nobody has open. Its name and number are free when the change is done.
    pub fn remove(&self, device: &MappedDevice<H>) -> Result<Change<H>, RemoveError> {
        let change = device.remove().map_err(|InUse { opens }| RemoveError::Busy { opens })?;
        self.forget_removed();
        Ok(change)
    }

    /// Gives a device that nobody has open another name.
    pub fn rename(&self, device: &MappedDevice<H>, name: DeviceName) -> Result<(), RenameError> {
        self.forget_removed();
        let devices = self.devices.lock();
        if devices.iter().any(|other| other != device && other.name() == name) {
            return Err(RenameError::NameTaken);
        }
        device.rename(name).map_err(|InUse { opens }| RenameError::Busy { opens })
    }

    /// Carries on a change of the device `minor` that has drained; call it after [`Host::notify`],
    /// where devices may be closed.
    pub fn settle(&self, minor: Minor) {
        if let Some(device) = self.get(|device| device.minor() == minor) {
            device.settle();
        }
        self.forget_removed();
    }

    /// [Settles](Self::settle) all devices.
    pub fn settle_all(&self) {
        let mut next = Minor::new(0);
        while let Some(from) = next {
            let device = {
                let devices = self.devices.lock();
                let place = devices.partition_point(|device| device.minor() < from);
                devices.get(place).cloned()
            };
            next = device.as_ref().and_then(|device| device.minor().next());
            if let Some(device) = device {
                device.settle();
            }
        }
        self.forget_removed();
    }

    /// Loads a table into the inactive slot of a device.
    ///
    /// Every error is reported with its place in the text, and remembered by the device. Its tables
    /// change only if there is none: then [`MappedDevice::resume`] binds the new one. Without memory
    /// nothing changes at all, whatever was reported.
    pub fn load(
        &self,
        device: &MappedDevice<H>,
        text: &[u8],
        mode: Mode,
        report: &mut dyn FnMut(LoadError<'_>),
    ) -> Result<(), LoadDeviceError> {
        let mut log = ErrorLog::default();
        let built = self.build(Some(device), text, mode, &mut |error| {
            log.add(&error);
            report(error);
        });
        match built {
            Ok(table) => {
                self.load_checked(device, table)?;
                device.set_load_errors(None);
                Ok(())
            }
            Err(LoadDeviceError::Refused(why)) => {
                device.set_load_errors(Some(log.finish()?));
                Err(why.into())
            }
            Err(why) => Err(why),
        }
    }

    /// Validates a table as [`load`](Self::load) does, and changes nothing.
    pub fn check(
        &self,
        text: &[u8],
        mode: Mode,
        report: &mut dyn FnMut(LoadError<'_>),
    ) -> Result<Table<H>, LoadDeviceError> {
        self.build(None, text, mode, report)
    }

    /// Puts a table that was [checked](Self::check) into the inactive slot of a device.
    pub fn load_checked(
        &self,
        device: &MappedDevice<H>,
        table: Table<H>,
    ) -> Result<(), LoadDeviceError> {
        let table = Arc::try_new(table)?;
        let outcome = {
            // Held so that no two loads can close a circle between them.
            let devices = self.devices.lock();
            let above = height_above(&devices, device, MAX_DEPTH);
            if table.depth().saturating_add(above) > MAX_DEPTH
                || table.mapped_devices().any(|below| lies_on(below, device))
            {
                Err((LoadDeviceError::Overtaken, table))
            } else {
                device.set_inactive(table).map_err(|table| (LoadDeviceError::Removed, table))
            }
        };
        // Whichever table is not needed is dropped here, where no lock is held.
        match outcome {
            Ok(_replaced) => Ok(()),
            Err((why, _refused)) => Err(why),
        }
    }

    fn build(
        &self,
        owner: Option<&MappedDevice<H>>,
        text: &[u8],
        mode: Mode,
        report: &mut dyn FnMut(LoadError<'_>),
    ) -> Result<Table<H>, LoadDeviceError> {
        let (registry, devices) = (self.target_types()?, self.list()?);
        let loader =
            Loader { host: &*self.host, registry: &registry, devices: &devices, owner, mode };
        loader.load(text, report)
    }

    fn find_by(&self, matches: impl Fn(&MappedDevice<H>) -> bool) -> Option<MappedDevice<H>> {
        self.get(|device| matches(device) && !device.is_removed())
    }

    fn get(&self, matches: impl Fn(&MappedDevice<H>) -> bool) -> Option<MappedDevice<H>> {
        self.devices.lock().iter().find(|device| matches(device)).cloned()
    }

    /// Frees the names and numbers of devices whose removal is over.
    fn forget_removed(&self) {
        loop {
            let gone = {
                let mut devices = self.devices.lock();
                let n = devices.iter().position(MappedDevice::is_gone);
                n.and_then(|n| take_at(&mut devices, n))
            };
            if gone.is_none() {
                return;
            }
        }
    }
}

/// The errors of a load as the device remembers them: `line:column: message`, a line each.
#[derive(Default)]
struct ErrorLog {
    text: Text,
    left_out: u64,
    out_of_memory: bool,
}

/// About how much text of errors a device remembers, in bytes.
const ERROR_LOG_SIZE: usize = 16 << 10;

impl ErrorLog {
    fn add(&mut self, error: &LoadError<'_>) {
        if self.text.as_str().len() >= ERROR_LOG_SIZE {
            self.left_out = self.left_out.saturating_add(1);
        } else {
            self.write(format_args!("{error}\n"));
        }
    }

    fn write(&mut self, line: fmt::Arguments<'_>) {
        self.out_of_memory |= self.text.write_fmt(line).is_err();
    }

    fn finish(mut self) -> Result<Arc<Text>, OutOfMemory> {
        let left_out = self.left_out;
        if left_out > 0 {
            self.write(format_args!("and {left_out} more\n"));
        }
        if self.out_of_memory { Err(OutOfMemory) } else { Arc::try_new(self.text) }
    }
}

fn lowest_free<H: Host>(devices: &[MappedDevice<H>]) -> Option<Minor> {
    let mut free = Minor::new(0)?;
    for device in devices {
        if device.minor() > free {
            break;
        }
        free = device.minor().next()?;
    }
    Some(free)
}

/// How many mapped devices lie on top of `device`, counted up to `limit`.
fn height_above<H: Host>(devices: &[MappedDevice<H>], device: &MappedDevice<H>, limit: u32) -> u32 {
    let Some(rest) = limit.checked_sub(1).filter(|_| device.open_count() > 0) else {
        return 0;
    };
    let users = devices.iter().filter(|user| {
        let tables = user.tables();
        tables.iter().flatten().any(|table| table.mapped_devices().any(|d| d.device() == device))
    });
    let heights = users.map(|user| height_above(devices, user, rest).saturating_add(1));
    heights.max().unwrap_or(0)
}
