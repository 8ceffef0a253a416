//! What a device mapper does, as plainly as it can be said.

use std::collections::VecDeque;

use dm_core::{IoError, Mode};

use super::{DISK, DISKS, NAMES};

/// One line of a table, before it is known whether it can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    kind: Kind,
    sectors: u64,
    offset: u64,
    /// The target type is written with a backslash in it, which means nothing.
    quoted: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// On a disk.
    Linear(usize),
    /// On a mapped device, by its name.
    Stacked(usize),
    /// Chunks of one sector over both disks, each from the offset on.
    Striped,
    Zero,
    Error,
}

impl Spec {
    pub(super) fn of((kind, sectors, offset): (u8, u8, u8)) -> Spec {
        let kind = match kind % 10 {
            n @ 0..2 => Kind::Linear(n.into()),
            n @ 2..6 => Kind::Stacked((n - 2).into()),
            6..8 => Kind::Striped,
            8 => Kind::Zero,
            _ => Kind::Error,
        };
        let (sectors, quoted) = (u64::from(sectors % 12), offset & 0x80 != 0);
        Spec { kind, sectors, offset: u64::from(offset % 16), quoted }
    }

    fn words(self) -> String {
        let Spec { kind, sectors, offset, quoted } = self;
        let quote = if quoted { "\\" } else { "" };
        let words = match kind {
            Kind::Linear(disk) => format!("linear {} {offset}", DISKS[disk]),
            Kind::Stacked(name) => format!("linear {} {offset}", NAMES[name]),
            Kind::Striped => format!("striped 2 1 a {offset} b {offset}"),
            Kind::Zero => "zero".to_owned(),
            Kind::Error => "error".to_owned(),
        };
        format!("{sectors} {quote}{words}")
    }
}

pub(super) fn text(specs: &[Spec]) -> String {
    let mut start = 0;
    let mut text = String::new();
    for spec in specs {
        text += &format!("{start} {}\n", spec.words());
        start += spec.sectors;
    }
    text
}

/// A table that was loaded.
#[derive(Clone, Debug)]
struct Table {
    lines: Vec<Line>,
    mode: Mode,
}

#[derive(Clone, Debug)]
struct Line {
    start: u64,
    sectors: u64,
    offset: u64,
    to: To,
}

/// Where a line goes; devices by their identity, which outlives renames.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum To {
    Disk(usize),
    Device(usize),
    Striped,
    Zero,
    Error,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Empty,
    Active,
    Suspended,
    Draining(Then),
    Removed,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Then {
    Suspend,
    Resume,
    Remove,
}

/// A device; it stays in the list when it is removed, so that its place is its identity.
#[derive(Debug)]
struct Device {
    name: &'static str,
    minor: u32,
    phase: Phase,
    live: Option<Table>,
    inactive: Option<Table>,
    opens: u32,
    held: VecDeque<Part>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    Read,
    Write(u8),
    Flush,
}

/// Minor, name, state, opens, and both tables of a device.
pub(super) type Seen = (u32, String, &'static str, u32, [Option<String>; 2]);

/// A part of a request that is somewhere on its way.
#[derive(Clone, Debug)]
struct Part {
    request: usize,
    sector: u64,
    sectors: u64,
    /// Where in the request it begins.
    skip: u64,
    /// The devices whose tables it went through, the topmost first.
    through: Vec<usize>,
}

#[derive(Debug)]
struct Request {
    wanted: Wanted,
    parts: usize,
    error: Option<IoError>,
    /// A byte for each sector.
    read: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) disks: [Vec<u8>; 2],
    pub(super) fails: [bool; 2],
    devices: Vec<Device>,
    /// The devices that are open, by identity.
    opens: Vec<usize>,
    requests: Vec<Request>,
    /// What waits at a disk.
    waiting: Vec<(usize, Part)>,
    /// Devices that have drained, in that order.
    drained: VecDeque<usize>,
}

impl Model {
    pub(super) fn new() -> Model {
        let disk = vec![0; DISK as usize];
        Model {
            disks: [disk.clone(), disk],
            fails: [false; 2],
            devices: Vec::new(),
            opens: Vec::new(),
            requests: Vec::new(),
            waiting: Vec::new(),
            drained: VecDeque::new(),
        }
    }

    /// The device of that name, unless it is being removed.
    fn find(&self, name: &str) -> Option<usize> {
        let gone = |phase| matches!(phase, Phase::Removed | Phase::Draining(Then::Remove));
        self.devices.iter().position(|device| device.name == name && !gone(device.phase))
    }

    pub(super) fn exists(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(super) fn create(&mut self, name: &'static str, minor: Option<u32>) -> bool {
        let mut there = self.devices.iter().filter(|device| device.phase != Phase::Removed);
        let minors: Vec<u32> = there.clone().map(|device| device.minor).collect();
        let free = (0..).find(|minor| !minors.contains(minor));
        let minor = minor.or(free).expect("a free minor");
        if there.any(|device| device.name == name) || minors.contains(&minor) {
            return false;
        }
        let (live, inactive, held) = (None, None, VecDeque::new());
        let phase = Phase::Empty;
        self.devices.push(Device { name, minor, phase, live, inactive, opens: 0, held });
        true
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        let Some(n) = self.find(name) else { return false };
        if self.devices[n].opens > 0 {
            return false;
        }
        self.drain(n, Then::Remove);
        true
    }

    pub(super) fn rename(&mut self, name: &str, new: &'static str) -> bool {
        let Some(n) = self.find(name) else { return false };
        let is_other = |(m, device): (usize, &Device)| {
            m != n && device.name == new && device.phase != Phase::Removed
        };
        if self.devices.iter().enumerate().any(is_other) || self.devices[n].opens > 0 {
            return false;
        }
        self.devices[n].name = new;
        true
    }

    pub(super) fn load(&mut self, name: &str, specs: &[Spec], mode: Mode) -> bool {
        let Some(n) = self.find(name) else { return false };
        let Some(table) = self.build(n, specs, mode) else { return false };
        self.change_opens(&table, 1);
        let replaced = self.devices[n].inactive.replace(table);
        self.discard(replaced);
        true
    }

    fn build(&self, owner: usize, specs: &[Spec], mode: Mode) -> Option<Table> {
        let mut lines = Vec::new();
        let mut start = 0;
        for Spec { kind, sectors, offset, .. } in specs.iter().copied() {
            let end = offset + sectors;
            let (to, good) = match kind {
                Kind::Linear(disk) => (To::Disk(disk), end <= DISK),
                Kind::Striped => (To::Striped, sectors % 2 == 0 && offset + sectors / 2 <= DISK),
                Kind::Zero => (To::Zero, true),
                Kind::Error => (To::Error, true),
                Kind::Stacked(name) => {
                    let below = self.find(NAMES[name])?;
                    let size = self.devices[below].live.as_ref().map_or(0, Table::size);
                    let live_mode = self.devices[below].live.as_ref().map(|table| table.mode);
                    let may = mode == Mode::ReadOnly || live_mode != Some(Mode::ReadOnly);
                    let good = may && end <= size && !self.lies_on(below, owner);
                    (To::Device(below), good)
                }
            };
            if !good || sectors == 0 {
                return None;
            }
            lines.push(Line { start, sectors, offset, to });
            start += sectors;
        }
        (!lines.is_empty()).then_some(Table { lines, mode })
    }

    fn lies_on(&self, upper: usize, lower: usize) -> bool {
        let device = &self.devices[upper];
        let tables = [&device.live, &device.inactive];
        let mut below = tables.into_iter().flatten().flat_map(Table::devices);
        upper == lower || below.any(|below| self.lies_on(below, lower))
    }

    fn change_opens(&mut self, table: &Table, by: i32) {
        for below in table.devices() {
            let opens = &mut self.devices[below].opens;
            *opens = opens.checked_add_signed(by).expect("as many closed as opened");
        }
    }

    fn discard(&mut self, table: Option<Table>) {
        if let Some(table) = table {
            self.change_opens(&table, -1);
        }
    }

    pub(super) fn suspend(&mut self, name: &str) -> bool {
        let Some(n) = self.find(name) else { return false };
        match self.devices[n].phase {
            Phase::Empty => return false,
            Phase::Suspended => {}
            _ => self.drain(n, Then::Suspend),
        }
        true
    }

    pub(super) fn resume(&mut self, name: &str) -> bool {
        let Some(n) = self.find(name) else { return false };
        let has_new = self.devices[n].inactive.is_some();
        match self.devices[n].phase {
            Phase::Empty if !has_new => return false,
            Phase::Active if !has_new => {}
            _ => self.drain(n, Then::Resume),
        }
        true
    }

    pub(super) fn clear(&mut self, name: &str) -> Option<bool> {
        let n = self.find(name)?;
        let dropped = self.devices[n].inactive.take();
        let had = dropped.is_some();
        self.discard(dropped);
        Some(had)
    }

    pub(super) fn open(&mut self, name: &str) {
        let n = self.find(name).expect("it is there");
        self.devices[n].opens += 1;
        self.opens.push(n);
    }

    pub(super) fn close(&mut self, open: usize) {
        let n = self.opens.remove(open);
        self.devices[n].opens -= 1;
    }

    fn in_flight(&self, n: usize) -> bool {
        let held = self.devices.iter().flat_map(|device| &device.held);
        let waiting = self.waiting.iter().map(|(_, part)| part);
        held.chain(waiting).any(|part| part.through.contains(&n))
    }

    /// Turns newcomers away, and changes the device once nothing is on its way through its table.
    fn drain(&mut self, n: usize, then: Then) {
        self.devices[n].phase = Phase::Draining(then);
        self.change(n);
    }

    /// The change, if nothing is in its way any more.
    fn change(&mut self, n: usize) {
        let Phase::Draining(then) = self.devices[n].phase else { return };
        if self.in_flight(n) {
            return;
        }
        let device = &mut self.devices[n];
        let mut dropped = [None, None];
        device.phase = match then {
            Then::Suspend => return device.phase = Phase::Suspended,
            Then::Resume => {
                if let Some(next) = device.inactive.take() {
                    dropped[0] = device.live.replace(next);
                }
                if device.live.is_some() { Phase::Active } else { Phase::Empty }
            }
            Then::Remove => {
                dropped = [device.live.take(), device.inactive.take()];
                Phase::Removed
            }
        };
        let held = std::mem::take(&mut device.held);
        dropped.into_iter().for_each(|table| self.discard(table));
        for part in held {
            self.submit(n, part);
        }
    }

    /// Changes the devices that have drained, in the order in which they did.
    pub(super) fn settle(&mut self) {
        while let Some(n) = self.drained.pop_front() {
            self.change(n);
        }
    }

    pub(super) fn start(&mut self, open: usize, wanted: Wanted, sector: u64, sectors: u64) {
        let request = self.requests.len();
        let read = vec![0xaa; sectors as usize];
        self.requests.push(Request { wanted, parts: 1, error: None, read });
        let part = Part { request, sector, sectors, skip: 0, through: Vec::new() };
        self.submit(self.opens[open], part);
    }

    /// Sends a part through a device's table, or holds it back.
    fn submit(&mut self, n: usize, part: Part) {
        match self.devices[n].phase {
            Phase::Active => {}
            Phase::Empty | Phase::Removed | Phase::Draining(Then::Remove) => {
                return self.end(part, Err(IoError::NoDevice));
            }
            Phase::Suspended | Phase::Draining(_) => {
                return self.devices[n].held.push_back(part);
            }
        }
        let table = self.devices[n].live.clone().expect("active devices have tables");
        let wanted = self.requests[part.request].wanted;
        let mut part = part;
        part.through.push(n);
        if wanted == Wanted::Flush {
            let below = table.below();
            self.requests[part.request].parts += below.len();
            for to in below {
                self.send(to, part.clone());
            }
            return self.end(part, Ok(()));
        }
        if wanted != Wanted::Read && table.mode == Mode::ReadOnly {
            return self.end(part, Err(IoError::ReadOnly));
        }
        if part.sector + part.sectors > table.size() {
            return self.end(part, Err(IoError::OutOfRange));
        }
        while part.sectors > 0 {
            let (to, at, sectors) = table.map(part.sector);
            let sectors = sectors.min(part.sectors);
            let mut front = part.clone();
            (front.sector, front.sectors) = (at, sectors);
            part.sector += sectors;
            part.sectors -= sectors;
            part.skip += sectors;
            if part.sectors > 0 {
                self.requests[part.request].parts += 1;
            }
            match to {
                To::Disk(_) | To::Device(_) => self.send(to, front),
                To::Error => self.end(front, Err(IoError::Failed)),
                To::Zero | To::Striped => {
                    let request = &mut self.requests[front.request];
                    let place = front.skip as usize..(front.skip + sectors) as usize;
                    request.read[place].fill(0);
                    self.end(front, Ok(()));
                }
            }
        }
    }

    fn send(&mut self, to: To, part: Part) {
        match to {
            To::Disk(disk) => self.waiting.push((disk, part)),
            To::Device(n) => self.submit(n, part),
            To::Striped | To::Zero | To::Error => {}
        }
    }

    pub(super) fn nth_pending(&self, n: u8) -> Option<usize> {
        (!self.waiting.is_empty()).then(|| usize::from(n) % self.waiting.len())
    }

    /// A disk carries out what waits there, or loses it.
    pub(super) fn complete(&mut self, n: usize, lost: Option<IoError>) {
        let (disk, part) = self.waiting.remove(n);
        let fails = self.fails[disk].then_some(IoError::NoSpace);
        if let Some(error) = lost.or(fails) {
            return self.end(part, Err(error));
        }
        let place = part.sector as usize..(part.sector + part.sectors) as usize;
        let request = &mut self.requests[part.request];
        let within = part.skip as usize..(part.skip + part.sectors) as usize;
        match request.wanted {
            Wanted::Read => request.read[within].copy_from_slice(&self.disks[disk][place]),
            Wanted::Write(fill) => self.disks[disk][place].fill(fill),
            Wanted::Flush => {}
        }
        self.end(part, Ok(()));
    }

    fn end(&mut self, part: Part, result: Result<(), IoError>) {
        let request = &mut self.requests[part.request];
        request.parts -= 1;
        if let Err(error) = result {
            request.error.get_or_insert(error);
        }
        for n in part.through {
            if matches!(self.devices[n].phase, Phase::Draining(_)) && !self.in_flight(n) {
                self.drained.push_back(n);
            }
        }
    }

    /// The devices in the order of their minors.
    pub(super) fn devices(&self) -> Vec<Seen> {
        let mut devices: Vec<_> = self
            .devices
            .iter()
            .filter(|device| {
                !matches!(device.phase, Phase::Removed | Phase::Draining(Then::Remove))
            })
            .map(|device| {
                let state = match device.phase {
                    Phase::Empty => "empty",
                    Phase::Active => "active",
                    _ => "suspended",
                };
                let text = |table: &Option<Table>| {
                    table.as_ref().map(|table| table.lines.iter().map(|l| self.text(l)).collect())
                };
                let tables = [text(&device.live), text(&device.inactive)];
                (device.minor, device.name.to_owned(), state, device.opens, tables)
            })
            .collect();
        devices.sort();
        devices
    }

    fn text(&self, line: &Line) -> String {
        let Line { start, sectors, offset, to } = *line;
        match to {
            To::Disk(disk) => format!("{start} {sectors} linear {} {offset}\n", DISKS[disk]),
            To::Device(n) => {
                format!("{start} {sectors} linear {} {offset}\n", self.devices[n].name)
            }
            To::Striped => format!("{start} {sectors} striped 2 1 a {offset} b {offset}\n"),
            To::Zero => format!("{start} {sectors} zero\n"),
            To::Error => format!("{start} {sectors} error\n"),
        }
    }

    /// What waits at disks: where, what, and how much.
    pub(super) fn pending(&self) -> Vec<(String, char, u64, u64)> {
        let describe = |(disk, part): &(usize, Part)| {
            let wanted = match self.requests[part.request].wanted {
                Wanted::Read => 'r',
                Wanted::Write(_) => 'w',
                Wanted::Flush => 'f',
            };
            (DISKS[*disk].to_owned(), wanted, part.sector, part.sectors)
        };
        self.waiting.iter().map(describe).collect()
    }

    pub(super) fn result(&self, n: usize) -> Option<Result<(), IoError>> {
        let request = &self.requests[n];
        (request.parts == 0).then(|| request.error.map_or(Ok(()), Err))
    }

    pub(super) fn is_read(&self, n: usize) -> bool {
        self.requests[n].wanted == Wanted::Read
    }

    /// What a read has read, a byte for each sector.
    pub(super) fn read(&self, n: usize) -> &[u8] {
        &self.requests[n].read
    }
}

impl Table {
    fn size(&self) -> u64 {
        self.lines.last().map_or(0, |line| line.start + line.sectors)
    }

    /// Where a sector goes, and for how many sectors from there on.
    fn map(&self, sector: u64) -> (To, u64, u64) {
        let covers = |line: &&Line| (line.start..line.start + line.sectors).contains(&sector);
        let line = self.lines.iter().find(covers).expect("within the table");
        let into = sector - line.start;
        match line.to {
            To::Striped => (To::Disk((into % 2) as usize), line.offset + into / 2, 1),
            to => (to, line.offset + into, line.sectors - into),
        }
    }

    /// The disks and devices it lies on, each once, in the order of the lines.
    fn below(&self) -> Vec<To> {
        let mut below = Vec::new();
        for line in &self.lines {
            let these = match line.to {
                To::Striped => vec![To::Disk(0), To::Disk(1)],
                To::Zero | To::Error => vec![],
                to => vec![to],
            };
            below.extend(these.into_iter().filter(|to| !below.contains(to)).collect::<Vec<_>>());
        }
        below
    }

    /// The mapped devices among them.
    fn devices(&self) -> impl Iterator<Item = usize> + use<> {
        self.below().into_iter().filter_map(|to| match to {
            To::Device(n) => Some(n),
            _ => None,
        })
    }
}
