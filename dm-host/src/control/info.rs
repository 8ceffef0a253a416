//! What there is to know about devices and target types, for programs.

use dm_core::{MappedDevice, Mode, State, Table, TargetType};
use serde::{Deserialize, Serialize};

use crate::UserHost;

/// A device. As JSON its keys are those of the fields.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DeviceInfo {
    /// What it is called.
    pub name: String,
    /// Its number.
    pub minor: u32,
    /// Its identifier, if it has one.
    pub uuid: Option<String>,
    /// `empty`, `active` or `suspended`.
    pub state: String,
    /// The event number.
    pub events: u64,
    /// How many have it open.
    pub open_count: u32,
    /// The table that requests go through.
    pub table: Option<TableInfo>,
    /// The table that waits for `resume`.
    pub inactive: Option<TableInfo>,
}

/// A table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TableInfo {
    /// How many lines it has.
    pub lines: usize,
    /// How many sectors they cover.
    pub sectors: u64,
    /// Whether it may only be read.
    pub readonly: bool,
    /// In which form the index finds lines.
    pub index: String,
    /// The devices it lies on.
    pub devices: Vec<String>,
    /// Those among them that are mapped.
    pub mapped: Vec<String>,
}

/// A target type.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TargetInfo {
    /// The name that tables print.
    pub name: String,
    /// Other names for it.
    pub aliases: Vec<String>,
    /// Major, minor and patch level.
    pub version: [u16; 3],
    /// The arguments it takes.
    pub usage: String,
}

impl DeviceInfo {
    pub(super) fn of(device: &MappedDevice<UserHost>) -> DeviceInfo {
        let state = match device.state() {
            State::Empty => "empty",
            State::Active => "active",
            State::Suspended => "suspended",
        };
        DeviceInfo {
            name: device.name().to_string(),
            minor: device.minor().get(),
            uuid: device.uuid().map(|uuid| uuid.to_string()),
            state: state.into(),
            events: device.events(),
            open_count: device.open_count(),
            table: device.table().map(|table| TableInfo::of(&table)),
            inactive: device.inactive_table().map(|table| TableInfo::of(&table)),
        }
    }
}

impl TableInfo {
    fn of(table: &Table<UserHost>) -> TableInfo {
        let mut names = String::new();
        // Writing to a string cannot fail.
        let _ = table.write_deps(&mut names);
        let mapped = table.mapped_devices();
        TableInfo {
            lines: table.len(),
            sectors: table.size().get(),
            readonly: table.mode() == Mode::ReadOnly,
            index: table.index().to_string(),
            devices: names.lines().map(str::to_owned).collect(),
            mapped: mapped.map(|open| open.device().name().to_string()).collect(),
        }
    }
}

impl TargetInfo {
    pub(crate) fn of(known: &dyn TargetType) -> TargetInfo {
        TargetInfo {
            name: known.name().into(),
            aliases: known.aliases().iter().map(|&alias| alias.into()).collect(),
            version: known.version(),
            usage: known.usage().into(),
        }
    }
}
