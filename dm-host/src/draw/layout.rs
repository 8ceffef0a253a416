//! Which sectors of a table lie where.

use std::collections::BTreeSet;

use dm_core::targets::{DeviceId, DeviceNames};
use dm_core::{SectorRange, Sectors, Table};

use super::paper::{Paper, size_of};
use super::probe::probe;

/// Where the sectors of a table lie.
#[derive(Debug)]
pub struct Layout {
    /// The lines of the table, in order.
    pub lines: Vec<LineLayout>,
    /// The devices it lies on, in the order in which it names them.
    pub devices: Vec<DeviceLayout>,
    /// How many sectors it covers.
    pub size: Sectors,
}

/// Where the sectors of one line lie.
#[derive(Debug)]
pub struct LineLayout {
    /// The sectors of the mapped device.
    pub range: SectorRange,
    /// The target type.
    pub target: &'static str,
    /// Its arguments.
    pub args: String,
    /// What becomes of its sectors, if not all of them lie on devices.
    pub kind: Kind,
    /// The first pieces that it cuts its sectors into, in order; none where each of its sectors
    /// may lie on several devices.
    pub pieces: Vec<Piece>,
    /// Where on devices it lies.
    pub extents: Vec<Extent>,
}

/// What becomes of sectors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// They lie on a device.
    Stored,
    /// They read as zeros.
    Zeros,
    /// They cannot be used.
    Failing,
}

/// Sectors that follow one another both on the mapped device and on the one underneath.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Piece {
    /// The number of the device; `None` if they lie on none.
    pub device: Option<usize>,
    /// How many.
    pub sectors: u64,
}

/// A part of a device that one line uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extent {
    /// The number of the device.
    pub device: usize,
    /// Its first sector.
    pub start: u64,
    /// The sector behind its last.
    pub end: u64,
}

/// A device that a table lies on.
#[derive(Debug)]
pub struct DeviceLayout {
    /// The name that the table gives it.
    pub name: String,
    /// Its size; `None` if that could not be found out.
    pub size: Option<Sectors>,
    /// The sector behind the last that is in use.
    pub used_end: u64,
}

impl LineLayout {
    /// The devices that it lies on.
    pub(super) fn devices(&self) -> BTreeSet<usize> {
        self.extents.iter().map(|extent| extent.device).collect()
    }
}

impl Layout {
    pub(super) fn of(table: &Table<Paper>) -> Layout {
        let budget = (PROBES / table.len().max(1)).clamp(16, 4096);
        let lines: Vec<LineLayout> = table
            .lines()
            .map(|line| {
                let mut args = String::new();
                // Writing to a string cannot fail.
                let _ = line.target.write_args(&mut args, table);
                let found = probe(line.target, line.range.length(), budget);
                LineLayout {
                    range: line.range,
                    target: line.target.name(),
                    args,
                    kind: found.kind,
                    pieces: found.pieces,
                    extents: found.extents,
                }
            })
            .collect();
        let mut devices: Vec<DeviceLayout> = (0..table.device_count())
            .map(|n| {
                let mut name = String::new();
                let _ = table.write_name(DeviceId(n as u32), &mut name);
                let name = unquoted(&name);
                let size = size_of(&name);
                DeviceLayout { name, size, used_end: 0 }
            })
            .collect();
        for extent in lines.iter().flat_map(|line| &line.extents) {
            let device = &mut devices[extent.device];
            device.used_end = device.used_end.max(extent.end);
        }
        Layout { lines, devices, size: table.size() }
    }
}

impl DeviceLayout {
    /// How far a picture of it goes, in sectors.
    pub fn shown(&self) -> u64 {
        self.size.map_or(self.used_end, Sectors::get).max(1)
    }
}

/// How many questions all targets of a table together are asked, at most.
const PROBES: usize = 1 << 22;

/// The name that a table's word stands for.
fn unquoted(word: &str) -> String {
    let mut name = String::new();
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        name.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    name
}
