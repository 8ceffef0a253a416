//! From text to a validated table.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use dm_btree::{BuildError, Index};
use dm_sync::{OutOfMemory, try_push};
use dm_table::{Excerpt, Position, Sectors, TableReason, Word, parse};
use dm_targets::{CtrError, CtrReason, DeviceId, Devices, OpenError, Registry, Target, TargetType};

use crate::pump::Pump;
use crate::table::{Backing, TableDevice};
use crate::{Host, LoadDeviceError, MappedDevice, Mode, Open, Table};

/// One thing that is wrong with a table.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct LoadError<'t> {
    /// Where in the text.
    pub at: Position,
    /// What.
    pub reason: LoadReason<'t>,
}

/// What is wrong with a table.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadReason<'t> {
    /// It does not read as a table.
    #[error("{0}")]
    Text(TableReason<'t>),
    /// No such target type is registered.
    #[error("unknown target type {found}{}; known are {}", Nearest(*.nearest), Known(.known))]
    UnknownTarget {
        /// What was named.
        found: Excerpt<'t>,
        /// What was probably meant.
        nearest: Option<&'static str>,
        /// What could have been named.
        known: &'t Registry,
    },
    /// The target type refused the line.
    #[error("{target}: {reason}")]
    Target {
        /// The name of the type.
        target: &'static str,
        /// The arguments that it takes.
        usage: &'static str,
        /// Why.
        reason: CtrReason<'t>,
    },
}

/// A table was refused. What is wrong with it was reported one by one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the table has {errors} error{}", if *.errors == 1 { "" } else { "s" })]
pub struct LoadFailed {
    /// How many errors were reported.
    pub errors: u64,
}

/// What a table is loaded with.
pub(crate) struct Loader<'l, H: Host> {
    pub(crate) host: &'l H,
    pub(crate) registry: &'l Registry,
    /// The mapped devices that lines may name.
    pub(crate) devices: &'l [MappedDevice<H>],
    /// The device that the table is for; it cannot be made of itself.
    pub(crate) owner: Option<&'l MappedDevice<H>>,
    pub(crate) mode: Mode,
}

impl<H: Host> Loader<'_, H> {
    /// Parses, constructs and validates; goes on after an error, to report the others too.
    pub(crate) fn load(
        &self,
        text: &[u8],
        report: &mut dyn FnMut(LoadError<'_>),
    ) -> Result<Table<H>, LoadDeviceError> {
        let mut errors = 0u64;
        let mut report = |at: Position, reason: LoadReason<'_>| {
            errors = errors.saturating_add(1);
            report(LoadError { at, reason });
        };
        let table = self.build(text, &mut report)?;
        table.ok_or(LoadDeviceError::Refused(LoadFailed { errors }))
    }

    /// `None` after errors that were reported.
    fn build(
        &self,
        text: &[u8],
        report: &mut dyn FnMut(Position, LoadReason<'_>),
    ) -> Result<Option<Table<H>>, OutOfMemory> {
        let lines = parse(text);
        let expected = lines.line_count_hint();
        let mut ends: Vec<u64> = Vec::new();
        let mut targets: Vec<Box<dyn Target>> = Vec::new();
        ends.try_reserve_exact(expected)?;
        targets.try_reserve_exact(expected)?;
        let mut pumps = Vec::new();
        let mut opened = Opened {
            loader: self,
            devices: Vec::new(),
            claims: Vec::new(),
            last: None,
            touched: Vec::new(),
        };
        let mut last_type: Option<&dyn TargetType> = None;
        let mut good = true;
        for line in lines {
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    good = false;
                    report(error.at, LoadReason::Text(error.reason));
                    continue;
                }
            };
            let named = line.target();
            let known = last_type.filter(|last| named == last.name());
            let Some(target_type) = known.or_else(|| self.registry.find(&named)) else {
                good = false;
                report(named.position(), self.unknown(named));
                continue;
            };
            last_type = Some(target_type);
            opened.touched.clear();
            match target_type.construct(line.args(), line.range(), &mut opened) {
                Ok(mut target) if good => {
                    match target.take_machine() {
                        Some(machine) => {
                            let n = u32::try_from(targets.len()).map_err(|_| OutOfMemory)?;
                            try_push(&mut pumps, (n, Pump::new(self.host, n, machine)?))?;
                        }
                        None => opened.mark_mapped(),
                    }
                    try_push(&mut ends, line.range().end().get().wrapping_sub(1))?;
                    try_push(&mut targets, target)?;
                }
                Ok(_) => {}
                Err(CtrError { reason: CtrReason::OutOfMemory, .. })
                | Err(CtrError {
                    reason: CtrReason::Open { why: OpenError::OutOfMemory, .. },
                    ..
                }) => {
                    return Err(OutOfMemory);
                }
                Err(CtrError { at, reason }) => {
                    good = false;
                    let at = at.unwrap_or_else(|| line.position());
                    let (target, usage) = (target_type.name(), target_type.usage());
                    report(at, LoadReason::Target { target, usage, reason });
                }
            }
        }
        if good { opened.finish(ends, targets, pumps) } else { Ok(None) }
    }

    fn unknown<'t>(&'t self, found: Word<'t>) -> LoadReason<'t> {
        LoadReason::UnknownTarget {
            found: found.excerpt(),
            nearest: self.registry.nearest(found.raw()),
            known: self.registry,
        }
    }

    /// Opens a device by name: a mapped one, by its name or what the host calls it, or else one of
    /// the host's.
    fn open(&self, name: &str) -> Result<Backing<H>, OpenError> {
        let bare = name.strip_prefix("/dev/device-mapper/").unwrap_or(name);
        let named = self.devices.iter().find(|device| device.name().as_str() == bare);
        let mapped = named.or_else(|| {
            let minor = self.host.mapped(name)?;
            self.devices.iter().find(|device| device.minor() == minor)
        });
        let Some(mapped) = mapped else {
            return Ok(Backing::Host(self.host.open(name, self.mode)?));
        };
        let open = mapped.open().map_err(|_| OpenError::NotFound)?;
        if self.owner.is_some_and(|owner| lies_on(&open, owner)) {
            return Err(OpenError::Cycle);
        }
        if mapped.depth() >= crate::MAX_DEPTH {
            return Err(OpenError::TooDeep { limit: crate::MAX_DEPTH });
        }
        if self.mode == Mode::ReadWrite && open.mode() == Mode::ReadOnly {
            return Err(OpenError::ReadOnly);
        }
        Ok(Backing::Mapped(open))
    }
}

/// Whether `upper` is `lower`, or a table of it is made of `lower`.
pub(crate) fn lies_on<H: Host>(upper: &Open<H>, lower: &MappedDevice<H>) -> bool {
    upper.device() == lower
        || upper
            .device()
            .tables()
            .iter()
            .flatten()
            .any(|table| table.mapped_devices().any(|below| lies_on(below, lower)))
}

/// The devices that a table under construction has opened.
struct Opened<'l, H: Host> {
    loader: &'l Loader<'l, H>,
    devices: Vec<TableDevice<H>>,
    claims: Vec<H::Device>,
    /// The name that was opened last, and what came of it: most tables repeat themselves.
    last: Option<(String, DeviceId)>,
    /// Those that the line under construction has opened, if they are not marked as mapped yet.
    touched: Vec<DeviceId>,
}

impl<H: Host> Devices for Opened<'_, H> {
    fn open(&mut self, name: &str) -> Result<DeviceId, OpenError> {
        if let Some((last, id)) = &self.last
            && name == last
        {
            let id = *id;
            self.touch(id)?;
            return Ok(id);
        }
        let mut remembered = String::new();
        remembered.try_reserve_exact(name.len()).map_err(OutOfMemory::from)?;
        remembered.push_str(name);
        let backing = self.loader.open(name)?;
        let known = (0..).zip(&self.devices).find(|(_, device)| device.backing.is_same(&backing));
        let id = match known {
            Some((n, _)) => DeviceId(n),
            None => {
                let id = u32::try_from(self.devices.len()).map_err(|_| OpenError::OutOfMemory)?;
                if let Backing::Mapped(open) = &backing {
                    let (host, mode) = (self.loader.host, self.loader.mode);
                    if let Some(claim) = host.claim(open.device().minor(), mode)? {
                        try_push(&mut self.claims, claim)?;
                    }
                }
                let limits = backing.limits();
                try_push(&mut self.devices, TableDevice { backing, limits, mapped: false })?;
                DeviceId(id)
            }
        };
        self.last = Some((remembered, id));
        self.touch(id)?;
        Ok(id)
    }

    fn size(&self, device: DeviceId) -> Sectors {
        self.get(device).map_or(Sectors::ZERO, |device| device.backing.size())
    }

    fn logical_block(&self, device: DeviceId) -> Sectors {
        self.get(device).map_or(Sectors::new(1), |device| device.limits.logical_block)
    }
}

impl<H: Host> Opened<'_, H> {
    /// Not inlined, so that what it needs of a kernel's small stack is there for the lines.
    #[inline(never)]
    fn finish(
        self,
        ends: Vec<u64>,
        targets: Vec<Box<dyn Target>>,
        pumps: Vec<(u32, Pump<H>)>,
    ) -> Result<Option<Table<H>>, OutOfMemory> {
        let index = match Index::build(ends) {
            Ok(index) => index,
            Err(BuildError::OutOfMemory) => return Err(OutOfMemory),
            // The parser gives lines in order, so nothing else is left.
            Err(_) => return Ok(None),
        };
        let (devices, claims, mode) = (self.devices, self.claims, self.loader.mode);
        Ok(Some(Table::new(index, targets, devices, claims, pumps, mode)))
    }

    fn touch(&mut self, id: DeviceId) -> Result<(), OutOfMemory> {
        if self.get(id).is_some_and(|device| !device.mapped) {
            try_push(&mut self.touched, id)?;
        }
        Ok(())
    }

    /// A target without state maps to what was opened for it.
    fn mark_mapped(&mut self) {
        for id in &self.touched {
            if let Some(device) = self.devices.get_mut(id.0 as usize) {
                device.mapped = true;
            }
        }
    }

    fn get(&self, device: DeviceId) -> Option<&TableDevice<H>> {
        self.devices.get(device.0 as usize)
    }
}

struct Nearest(Option<&'static str>);

impl core::fmt::Display for Nearest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(name) => write!(f, " (did you mean `{name}`?)"),
            None => Ok(()),
        }
    }
}

struct Known<'r>(&'r Registry);

impl core::fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (n, target_type) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{}", target_type.name())?;
            for alias in target_type.aliases() {
                write!(f, " ({alias})")?;
            }
        }
        Ok(())
    }
}
