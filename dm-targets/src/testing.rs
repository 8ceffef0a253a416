//! Devices that exist only as names and sizes, for the tests of targets.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use std::string::ToString;

use dm_table::{Line, Sectors, parse};

use crate::{DeviceId, DeviceNames, Devices, Map, Op, OpenError, Registry, Request, Target};

/// Knows the devices of [`SIZES`]; remembers what was opened.
pub(crate) struct TestDevices {
    open: Vec<(&'static str, u64, u64)>,
}

/// Name, sectors, and sectors in a logical block.
const SIZES: &[(&str, u64, u64)] = &[
    ("a", 1000, 1),
    ("b", 2000, 1),
    ("c", u64::MAX, 1),
    ("8:17", 1000, 1),
    ("disk of 4k", 1024, 8),
];

impl TestDevices {
    pub(crate) fn new() -> TestDevices {
        TestDevices { open: Vec::new() }
    }
}

impl Devices for TestDevices {
    fn open(&mut self, name: &str) -> Result<DeviceId, OpenError> {
        if let Some(n) = self.open.iter().position(|(open, ..)| *open == name) {
            return Ok(DeviceId(n as u32));
        }
        let known = SIZES.iter().find(|(known, ..)| *known == name);
        self.open.push(*known.ok_or(OpenError::NotFound)?);
        Ok(DeviceId(self.open.len() as u32 - 1))
    }

    fn size(&self, device: DeviceId) -> Sectors {
        Sectors::new(self.open[device.0 as usize].1)
    }

    fn logical_block(&self, device: DeviceId) -> Sectors {
        Sectors::new(self.open[device.0 as usize].2)
    }
}

impl DeviceNames for TestDevices {
    fn write_name(&self, device: DeviceId, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{}", dm_table::Escaped(self.open[device.0 as usize].0))
    }
}

/// Makes the target of one table line; the error with its place.
pub(crate) fn construct(line: &str) -> Result<(Box<dyn Target>, TestDevices), String> {
    let registry = Registry::with_builtins().unwrap();
    let mut devices = TestDevices::new();
    let mut lines = parse(line.as_bytes());
    let line: Line<'_> = lines.next().unwrap().unwrap();
    let target_type = registry.find(&line.target()).unwrap();
    match target_type.construct(line.args(), line.range(), &mut devices) {
        Ok(target) => Ok((target, devices)),
        Err(error) => Err(match error.at {
            Some(at) => std::format!("{at}: {error}"),
            None => error.to_string(),
        }),
    }
}

/// A target's arguments and status, as text.
pub(crate) fn printed(line: &str) -> (String, String) {
    let (target, devices) = construct(line).unwrap();
    let (mut args, mut status) = (String::new(), String::new());
    target.write_args(&mut args, &devices).unwrap();
    target.write_status(&mut status, &devices).unwrap();
    (args, status)
}

/// Where a read of `sectors` from `at` on begins: device, sector, and for how long.
pub(crate) fn map(target: &dyn Target, at: u64, sectors: u64) -> (u32, u64, u64) {
    let (at, sectors) = (dm_table::Sector::new(at), Sectors::new(sectors));
    match target.map(&Request { op: Op::Read, at, sectors }) {
        Map::To { device, sector, sectors } => (device.0, sector.get(), sectors.get()),
        other => panic!("{other:?}"),
    }
}
