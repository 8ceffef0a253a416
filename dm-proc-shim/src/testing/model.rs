//! What mapped devices are, as plainly as it can be said: of small disks, a byte a sector.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use super::steps::{Data, Line, Load, NAMES, Step, To, Verb};
use crate::Errno;
use crate::testing::DEVICE_SECTORS;

/// How many sectors of each disk the model looks at, from the first on.
pub(super) const LOOKED_AT: u64 = 64;

/// What a stripe's chunks are long, in sectors.
pub(super) const CHUNK: u64 = 2;

pub(super) struct Model {
    disks: Vec<Disk>,
    /// In the order of their minors.
    devices: BTreeMap<u32, Device>,
}

struct Disk {
    name: String,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Device {
    name: &'static str,
    is_suspended: bool,
    live: Option<Vec<Line>>,
    inactive: Option<Vec<Line>>,
    events: u64,
}

impl Model {
    pub(super) fn new(disks: Vec<String>) -> Model {
        let disk = |name| Disk { name, bytes: vec![0; LOOKED_AT as usize] };
        Model { disks: disks.into_iter().map(disk).collect(), devices: BTreeMap::new() }
    }

    /// Does what is asked for, or says why not; then nothing has changed.
    pub(super) fn control(&mut self, step: &Step) -> Result<(), Errno> {
        match step {
            Step::Create { name, minor } => self.create(name, *minor),
            Step::Load(load) => self.load(load),
            Step::Verb { verb, name, .. } => {
                let minor = self.find(name).ok_or(Errno::NoEntry)?;
                match verb {
                    Verb::Remove if self.opens(name) > 0 => return Err(Errno::Busy),
                    Verb::Remove => drop(self.devices.remove(&minor)),
                    Verb::Clear => self.device(minor).inactive = None,
                    Verb::Suspend => self.device(minor).suspend()?,
                    Verb::Resume => self.device(minor).resume()?,
                }
                Ok(())
            }
            Step::Rename { name, new } => {
                let minor = self.find(name).ok_or(Errno::NoEntry)?;
                if self.find(new).is_some_and(|other| other != minor) {
                    return Err(Errno::Exists);
                }
                if self.opens(name) > 0 {
                    return Err(Errno::Busy);
                }
                self.device(minor).name = new;
                self.device(minor).events += 1;
                Ok(())
            }
            Step::Data(_) => Ok(()),
        }
    }

    fn create(&mut self, name: &'static str, minor: Option<u32>) -> Result<(), Errno> {
        if self.find(name).is_some() {
            return Err(Errno::Exists);
        }
        let free = (0..).find(|minor| !self.devices.contains_key(minor));
        let minor = minor.or(free).expect("a free minor");
        if self.devices.contains_key(&minor) {
            return Err(Errno::Busy);
        }
        self.devices.insert(minor, Device { name, ..Device::default() });
        Ok(())
    }

    /// Loads a table; the first one of a device is bound at once.
    fn load(&mut self, load: &Load) -> Result<(), Errno> {
        let minor = self.find(load.name).ok_or(Errno::NoEntry)?;
        if load.lines.is_empty() || !load.lines.iter().all(|line| self.can_be(line, load.name)) {
            return Err(Errno::Invalid);
        }
        let device = self.device(minor);
        device.inactive = Some(load.lines.clone());
        if device.live.is_none() { device.resume() } else { Ok(()) }
    }

    fn can_be(&self, line: &Line, owner: &str) -> bool {
        let Line { sectors, to } = *line;
        sectors > 0
            && match to {
                // Lines that fit are within what is looked at.
                To::Disk(_, at) => at + sectors <= DEVICE_SECTORS,
                To::Striped(_) => sectors % (2 * CHUNK) == 0,
                To::Device(name, at) => {
                    let size = self.find(name).map(|minor| size(&self.devices[&minor].live));
                    size.is_some_and(|size| at + sectors <= size) && !self.lies_on(name, owner)
                }
                To::Zero | To::Error => true,
            }
    }

    /// Whether a device is another one, or is made of it, perhaps after the next `resume`.
    fn lies_on(&self, upper: &str, lower: &str) -> bool {
        let device = self.find(upper).map(|minor| &self.devices[&minor]);
        let below = device.into_iter().flat_map(|device| [&device.live, &device.inactive]);
        upper == lower || below.flat_map(names).any(|below| self.lies_on(below, lower))
    }

    fn find(&self, name: &str) -> Option<u32> {
        self.devices.iter().find(|(_, device)| device.name == name).map(|(minor, _)| *minor)
    }

    fn device(&mut self, minor: u32) -> &mut Device {
        self.devices.get_mut(&minor).expect("it was found")
    }

    /// How many tables lie on a device.
    fn opens(&self, name: &str) -> usize {
        let tables = self.devices.values().flat_map(|device| [&device.live, &device.inactive]);
        tables.filter(|table| names(table).any(|below| below == name)).count()
    }

    /// Whether requests to a device would wait for somebody to resume one; or there is no table.
    pub(super) fn holds(&self, name: &str) -> bool {
        let Some(minor) = self.find(name) else { return true };
        let device = &self.devices[&minor];
        device.live.is_none() || device.is_suspended || names(&device.live).any(|n| self.holds(n))
    }

    /// The devices whose requests do not wait, and how long they are, in sectors.
    pub(super) fn readable(&self) -> Vec<(&'static str, u64)> {
        let devices = self.devices.values().map(|device| (device.name, size(&device.live)));
        devices.filter(|(name, _)| !self.holds(name)).collect()
    }

    /// What the disks hold, a byte a sector.
    pub(super) fn into_disks(self) -> Vec<Vec<u8>> {
        self.disks.into_iter().map(|disk| disk.bytes).collect()
    }

    /// Reads or writes, a byte a sector; `None` if it must fail. What else it asks for is done.
    pub(super) fn data(&mut self, data: &Data) -> Option<Vec<u8>> {
        let Data { name, fill, sector, sectors } = *data;
        let mut read = Vec::new();
        self.part(name, fill, sector, sectors, &mut read).then_some(read)
    }

    /// The same for what a line has sent to a device; `false` if it fails.
    fn part(
        &mut self,
        name: &str,
        fill: Option<u8>,
        sector: u64,
        sectors: u64,
        read: &mut Vec<u8>,
    ) -> bool {
        let minor = self.find(name).expect("it is there");
        let live = self.devices[&minor].live.clone();
        let end = sector + sectors;
        if end > size(&live) {
            return false;
        }
        let (mut start, mut is_good) = (0, true);
        for line in live.iter().flatten() {
            let (from, to) = (sector.max(start), end.min(start + line.sectors));
            for at in from..to.max(from) {
                let into = at - start;
                let place = match line.to {
                    To::Disk(disk, at) => Some((disk, at + into)),
                    To::Striped(at) => {
                        let (chunk, within) = (into / CHUNK, into % CHUNK);
                        Some(((chunk % 2) as usize, at + chunk / 2 * CHUNK + within))
                    }
                    _ => None,
                };
                match (place, fill) {
                    (Some((disk, at)), Some(fill)) => self.disks[disk].bytes[at as usize] = fill,
                    (Some((disk, at)), None) => read.push(self.disks[disk].bytes[at as usize]),
                    (None, None) if matches!(line.to, To::Zero) => read.push(0),
                    _ => is_good &= !matches!(line.to, To::Error),
                }
            }
            if let (To::Device(below, at), true) = (line.to, from < to) {
                is_good &= self.part(below, fill, at + from - start, to - from, read);
            }
            start += line.sectors;
        }
        is_good
    }

    /// What the file `control` says.
    pub(super) fn list(&self) -> String {
        let mut text = String::new();
        for (minor, device) in &self.devices {
            let state = match device {
                Device { live: None, .. } => "empty",
                Device { is_suspended: true, .. } => "suspended",
                _ => "active",
            };
            let (name, opens) = (device.name, self.opens(device.name));
            let _ = writeln!(text, "{name} {minor} {state} {opens} {}", device.events);
        }
        text
    }

    /// What the files `table` and `inactive` of each device say.
    pub(super) fn tables(&self) -> Vec<(&'static str, [String; 2])> {
        let text = |table: &Option<Vec<Line>>| text(table.as_deref().unwrap_or(&[]), &self.names());
        let devices = self.devices.values();
        devices.map(|device| (device.name, [text(&device.live), text(&device.inactive)])).collect()
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.disks.iter().map(|disk| disk.name.as_str()).collect()
    }
}

impl Device {
    fn suspend(&mut self) -> Result<(), Errno> {
        if self.live.is_none() {
            return Err(Errno::Invalid);
        }
        self.events += u64::from(!self.is_suspended);
        self.is_suspended = true;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Errno> {
        match self.inactive.take() {
            Some(next) => self.live = Some(next),
            None if self.live.is_none() => return Err(Errno::Invalid),
            None if !self.is_suspended => return Ok(()),
            None => {}
        }
        self.is_suspended = false;
        self.events += 1;
        Ok(())
    }
}

fn size(table: &Option<Vec<Line>>) -> u64 {
    table.iter().flatten().map(|line| line.sectors).sum()
}

/// The devices that a table lies on.
fn names(table: &Option<Vec<Line>>) -> impl Iterator<Item = &'static str> {
    let lines = table.iter().flatten();
    lines.filter_map(|line| match line.to {
        To::Device(name, _) => Some(name),
        _ => None,
    })
}

/// The text of a table over disks of these names.
pub(super) fn text(lines: &[Line], disks: &[&str]) -> String {
    let mut text = String::new();
    let mut start = 0;
    for Line { sectors, to } in lines {
        let words = match *to {
            To::Disk(disk, at) => format!("linear {} {at}", disks[disk]),
            To::Device(name, at) => format!("linear {name} {at}"),
            To::Striped(at) => format!("striped 2 {CHUNK} {} {at} {} {at}", disks[0], disks[1]),
            To::Zero => "zero".into(),
            To::Error => "error".into(),
        };
        let _ = writeln!(text, "{start} {sectors} {words}");
        start += sectors;
    }
    text
}

const _: () = assert!(NAMES.len() < dm_core::MAX_DEPTH as usize, "no stack is too high");
