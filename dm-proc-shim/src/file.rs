//! The files through which a device mapper is controlled.

use dm_core::{DeviceMapper, Host, MappedDevice};

use crate::error::{Cause, ShimError};
use crate::text;

/// A file, by whatever path a surface offers it; clones are the same file.
pub enum File<H: Host> {
    /// `control`: commands for all devices; reads as a list of them.
    Control,
    /// `targets`: the target types that tables may name.
    Targets,
    /// One of a device's files. They live as long as the device, and follow its name.
    Device(MappedDevice<H>, DeviceFile),
}

/// What a device's file is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DeviceFile {
    /// `/proc/device-mapper/<name>`: takes a table, and reads as all there is to know.
    Proc,
    /// `table`: takes a table, and reads as the live one.
    Table,
    /// `inactive`: the table that waits for `resume`.
    Inactive,
    /// `error`: what was wrong with the table that was loaded last.
    Error,
    /// `status`: the condition of each target.
    Status,
    /// `state`: takes `suspend` or `resume`, and reads as `active`, `suspended` or `empty`.
    State,
    /// `events`: the event number.
    Events,
    /// `message`: takes a message for a target, and reads as the last answer.
    Message,
}

impl DeviceFile {
    /// The files of a device's directory: all but [`Proc`](DeviceFile::Proc), which takes the place
    /// of the directory where there is none.
    pub const DIRECTORY: [DeviceFile; 7] = [
        DeviceFile::Table,
        DeviceFile::Inactive,
        DeviceFile::Error,
        DeviceFile::Status,
        DeviceFile::State,
        DeviceFile::Events,
        DeviceFile::Message,
    ];

    /// What it is called in its directory; nothing for [`Proc`](DeviceFile::Proc).
    pub const fn name(self) -> &'static str {
        match self {
            DeviceFile::Proc => "",
            DeviceFile::Table => "table",
            DeviceFile::Inactive => "inactive",
            DeviceFile::Error => "error",
            DeviceFile::Status => "status",
            DeviceFile::State => "state",
            DeviceFile::Events => "events",
            DeviceFile::Message => "message",
        }
    }

    /// Whether it takes what is written to it. All files can be read.
    pub const fn is_writable(self) -> bool {
        matches!(
            self,
            DeviceFile::Proc | DeviceFile::Table | DeviceFile::State | DeviceFile::Message
        )
    }
}

impl<H: Host> File<H> {
    /// The file of that path: `control`, `targets`, `<name>` or `<name>/<file>`.
    pub fn find(mapper: &DeviceMapper<H>, path: &str) -> Result<File<H>, ShimError> {
        let (name, file) = match path.split_once('/') {
            None if path == "control" => return Ok(File::Control),
            None if path == "targets" => return Ok(File::Targets),
            None => (path, DeviceFile::Proc),
            Some((name, file)) => {
                let known = DeviceFile::DIRECTORY.iter().find(|known| known.name() == file);
                (name, *known.ok_or(Cause::NoSuchFile)?)
            }
        };
        Ok(File::Device(device(mapper, name)?, file))
    }

    /// Whether it takes what is written to it. All files can be read.
    pub fn is_writable(&self) -> bool {
        match self {
            File::Control => true,
            File::Targets => false,
            File::Device(_, file) => file.is_writable(),
        }
    }
}

/// The device of that name.
pub(crate) fn device<H: Host>(
    mapper: &DeviceMapper<H>,
    name: &str,
) -> Result<MappedDevice<H>, Cause> {
    match mapper.find(name) {
        Some(device) => Ok(device),
        None => Err(Cause::NoSuchDevice { name: text::of(name)? }),
    }
}

impl<H: Host> Clone for File<H> {
    fn clone(&self) -> File<H> {
        match self {
            File::Control => File::Control,
            File::Targets => File::Targets,
            File::Device(device, file) => File::Device(device.clone(), *file),
        }
    }
}
