//! A table: lines with their targets, the index that finds them, and the devices they lie on.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use dm_btree::Index;
use dm_table::{Escaped, Sector, SectorRange, Sectors};
use dm_targets::{DeviceId, DeviceNames, Target};

use crate::pump::Pump;
use crate::{Device, Host, Limits, Mode, Open};

/// How many mapped devices may lie on top of one another.
pub const MAX_DEPTH: u32 = 8;

/// A validated table. It does not change once it is made.
pub struct Table<H: Host> {
    pub(crate) index: Index,
    /// A target for each key of the index.
    pub(crate) targets: Vec<Box<dyn Target>>,
    pub(crate) devices: Vec<TableDevice<H>>,
    claims: Vec<H::Device>,
    /// Those of the lines whose targets have state, in the order of their lines.
    pub(crate) pumps: Vec<(u32, Pump<H>)>,
    mode: Mode,
    size: Sectors,
    limits: Limits,
    depth: u32,
}

/// A device that the targets of a table map to.
pub(crate) struct TableDevice<H: Host> {
    pub(crate) backing: Backing<H>,
    pub(crate) limits: Limits,
    /// Whether a target without state maps to it: then flushes go straight to it.
    pub(crate) mapped: bool,
}

/// Whose device it is.
pub(crate) enum Backing<H: Host> {
    Host(H::Device),
    Mapped(Open<H>),
}

/// One line of a table.
pub struct TableLine<'t> {
    /// The sectors it covers.
    pub range: SectorRange,
    /// Its target.
    pub target: &'t dyn Target,
}

impl<H: Host> Table<H> {
    /// Puts a table together. There must be a target for each key of the index.
    pub(crate) fn new(
        index: Index,
        targets: Vec<Box<dyn Target>>,
        devices: Vec<TableDevice<H>>,
        claims: Vec<H::Device>,
        pumps: Vec<(u32, Pump<H>)>,
        mode: Mode,
    ) -> Table<H> {
        let limits = devices.iter().fold(Limits::NONE, |all, device| stack(all, device.limits));
        let below = devices.iter().map(|device| device.backing.depth()).max();
        let depth = below.unwrap_or(0).saturating_add(1);
        let last = index.len().checked_sub(1).and_then(|n| index.key(n));
        let size = Sectors::new(last.map_or(0, |end| end.saturating_add(1)));
        Table { index, targets, devices, claims, pumps, mode, size, limits, depth }
    }

    /// How many sectors its lines cover.
    pub fn size(&self) -> Sectors {
        self.size
    }

    /// How many lines it has.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether it has none; a loaded table has at least one.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Its lines, in order.
    pub fn lines(&self) -> impl Iterator<Item = TableLine<'_>> {
        self.targets
            .iter()
            .enumerate()
            .filter_map(|(n, target)| Some(TableLine { range: self.range(n)?, target: &**target }))
    }

    /// The number of the line that covers `sector`.
    pub fn lookup(&self, sector: Sector) -> Option<usize> {
        self.index.lookup(sector.get())
    }

    /// Whether it may be written.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What requests to it must keep to. Longer ones than its devices take are split.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How many mapped devices lie on top of one another in it, its own included.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The index behind [`Table::lookup`].
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// How many different devices it lies on.
    pub fn device_count(&self) -> usize {
        self.devices.len()
    }

    /// The devices of the host that it lies on.
    pub fn host_devices(&self) -> impl Iterator<Item = &H::Device> {
        self.devices.iter().filter_map(|device| match &device.backing {
            Backing::Host(device) => Some(device),
            Backing::Mapped(_) => None,
        })
    }

    /// The mapped devices it lies on.
    pub fn mapped_devices(&self) -> impl Iterator<Item = &Open<H>> {
        self.devices.iter().filter_map(|device| match &device.backing {
            Backing::Mapped(open) => Some(open),
            Backing::Host(_) => None,
        })
    }

    /// What the host [claims](Host::claim) of the mapped devices it lies on.
    pub fn claims(&self) -> &[H::Device] {
        &self.claims
    }

    /// Writes its lines as table text, from which the same table can be loaded.
    pub fn write_table(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.write_lines(out, |target, out| {
            // The blank before the arguments is only there when they are.
            let mut args = Prefixed { out, prefix: " " };
            target.write_args(&mut args, self)
        })
    }

    /// Writes a line for each of its lines: where it lies, its type, its condition.
    pub fn write_status(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.write_lines(out, |target, out| {
            let mut status = Prefixed { out, prefix: " " };
            target.write_status(&mut status, self)
        })
    }

    /// Writes a line for each device it lies on: its name.
    pub fn write_deps(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for (n, _) in (0..).zip(&self.devices) {
            self.write_name(DeviceId(n), out)?;
            out.write_char('\n')?;
        }
        Ok(())
    }

    fn write_lines(
        &self,
        out: &mut dyn fmt::Write,
        mut write_rest: impl FnMut(&dyn Target, &mut dyn fmt::Write) -> fmt::Result,
    ) -> fmt::Result {
        for line in self.lines() {
            let (start, length) = (line.range.start(), line.range.length());
            write!(out, "{start} {length} {}", line.target.name())?;
            write_rest(line.target, out)?;
            out.write_char('\n')?;
        }
        Ok(())
    }

    /// What drives the target of a line, if it has state.
    pub(crate) fn pump(&self, line: u32) -> Option<&Pump<H>> {
        let n = self.pumps.binary_search_by_key(&line, |(line, _)| *line).ok()?;
        self.pumps.get(n).map(|(_, pump)| pump)
    }

    /// What drives the target of the line that covers `sector`.
    #[cold]
    pub(crate) fn pump_at(&self, sector: Sector) -> Option<&Pump<H>> {
        self.pump(u32::try_from(self.lookup(sector)?).ok()?)
    }

    /// The line that covers `sector`: its target, and its sectors.
    #[inline]
    pub(crate) fn line_at(&self, sector: Sector) -> Option<(&dyn Target, SectorRange)> {
        let line = self.lookup(sector)?;
        Some((&**self.targets.get(line)?, self.range(line)?))
    }

    #[inline]
    pub(crate) fn range(&self, line: usize) -> Option<SectorRange> {
        let (first, last) = self.index.line(line)?;
        let length = last.checked_sub(first)?.checked_add(1)?;
        SectorRange::new(Sector::new(first), Sectors::new(length))
    }
}

impl<H: Host> DeviceNames for Table<H> {
    fn write_name(&self, device: DeviceId, out: &mut dyn fmt::Write) -> fmt::Result {
        let mut quoted = Quoted { out };
        match self.devices.get(device.0 as usize) {
            Some(device) => device.backing.write_name(&mut quoted),
            None => quoted.write_str("?"),
        }
    }
}

use fmt::Write as _;

impl<H: Host> Backing<H> {
    pub(crate) fn size(&self) -> Sectors {
        match self {
            Backing::Host(device) => device.size(),
            Backing::Mapped(open) => open.size(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        match self {
            Backing::Host(device) => device.limits(),
            Backing::Mapped(open) => open.limits(),
        }
    }

    pub(crate) fn is_same(&self, other: &Backing<H>) -> bool {
        match (self, other) {
            (Backing::Host(a), Backing::Host(b)) => a.is_same(b),
            (Backing::Mapped(a), Backing::Mapped(b)) => a.device() == b.device(),
            _ => false,
        }
    }

    fn depth(&self) -> u32 {
        match self {
            Backing::Host(_) => 0,
            Backing::Mapped(open) => open.device().depth(),
        }
    }

    fn write_name(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Backing::Host(device) => device.write_name(out),
            Backing::Mapped(open) => out.write_str(open.device().name().as_str()),
        }
    }
}

/// What a device made of both must keep to.
fn stack(a: Limits, b: Limits) -> Limits {
    let supported = |a: Sectors, b: Sectors| if b.is_zero() { b } else { a };
    Limits {
        logical_block: a.logical_block.max(b.logical_block),
        physical_block: a.physical_block.max(b.physical_block),
        max_transfer: a.max_transfer,
        max_discard: supported(a.max_discard, b.max_discard),
        max_write_zeroes: supported(a.max_write_zeroes, b.max_write_zeroes),
    }
}

/// Writes `prefix` before the first thing that is written, and nothing when nothing is.
struct Prefixed<'o> {
    out: &'o mut dyn fmt::Write,
    prefix: &'static str,
}

impl fmt::Write for Prefixed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !text.is_empty() {
            self.out.write_str(core::mem::take(&mut self.prefix))?;
        }
        self.out.write_str(text)
    }
}

/// Quotes what is written so that it reads back as one word.
struct Quoted<'o> {
    out: &'o mut dyn fmt::Write,
}

impl fmt::Write for Quoted<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write!(self.out, "{}", Escaped(text))
    }
}
