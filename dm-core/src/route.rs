//! The way of a request through a table: split, mapped, and passed on.

use dm_sync::{Arc, Entered, Pass};
use dm_table::{Sector, SectorRange, Sectors};
use dm_targets::{BioOp, DeviceId, IoError, Map, Op, Request, Target};

use crate::pump::Pump;
use crate::table::{Backing, TableDevice};
use crate::{Bio, Host, Mode, Table};

/// Sends every sector of `bio` where the table says.
///
/// What goes on to a device carries a pass, by which the table outlives it.
#[inline]
pub(crate) fn route<H: Host>(host: &H, table: Entered<'_, Arc<Table<H>>>, bio: H::Bio) {
    match bio.op() {
        BioOp::Flush => flush(host, &table, bio),
        BioOp::Data(op) => match table.refuse(op, &bio) {
            Some(error) => bio.complete(Err(error)),
            None => route_data(host, table, op, bio),
        },
    }
}

#[inline]
fn route_data<H: Host>(host: &H, table: Entered<'_, Arc<Table<H>>>, op: Op, mut bio: H::Bio) {
    loop {
        let step = table.step(op, bio.sector(), bio.sectors());
        if step.sectors() < bio.sectors() {
            match bio.split(step.sectors()) {
                Ok(front) => step.carry_out(host, op, front, &table),
                Err(_) => return bio.complete(Err(IoError::OutOfMemory)),
            }
        } else if let Step::To { device, sector, .. } = step
            && let Backing::Host(device) = &device.backing
        {
            // By far the most: whole, to a device of the host. The pass that came with it will do.
            bio.set_sector(sector);
            bio.set_device(device);
            bio.carry(table.into_pass());
            return host.submit(bio);
        } else {
            return step.carry_out(host, op, bio, &table);
        }
    }
}

/// Sends a flush to every device that targets map to, and to every target with state; it completes
/// when all of them have.
#[cold]
fn flush<H: Host>(host: &H, table: &Entered<'_, Arc<Table<H>>>, bio: H::Bio) {
    let mapped = table.devices.iter().filter(|device| device.mapped);
    let devices = mapped.map(|device| Flushed::Device(&device.backing));
    let pumps = table.pumps.iter().map(|(_, pump)| Flushed::Target(pump));
    let mut last = None;
    for next in devices.chain(pumps) {
        if let Some(before) = last.replace(next) {
            match bio.duplicate() {
                Ok(twin) => before.submit(host, table, twin),
                Err(_) => return bio.complete(Err(IoError::OutOfMemory)),
            }
        }
    }
    match last {
        Some(last) => last.submit(host, table, bio),
        None => bio.complete(Ok(())),
    }
}

/// What a flush is sent to.
enum Flushed<'t, H: Host> {
    Device(&'t Backing<H>),
    Target(&'t Pump<H>),
}

impl<H: Host> Flushed<'_, H> {
    fn submit(&self, host: &H, table: &Entered<'_, Arc<Table<H>>>, bio: H::Bio) {
        match self {
            Flushed::Device(backing) => backing.submit(host, bio, table.pass()),
            Flushed::Target(pump) => pump.take(table, bio, table.pass()),
        }
    }
}

/// Where the first sectors of a request go.
pub(crate) enum Step<'t, H: Host> {
    To { device: &'t TableDevice<H>, sector: Sector, sectors: Sectors },
    Take { pump: &'t Pump<H>, at: Sector, sectors: Sectors },
    Zeros { sectors: Sectors },
    Fail { error: IoError, sectors: Sectors },
}

impl<H: Host> Table<H> {
    /// Why a request can be carried out nowhere.
    #[inline]
    pub(crate) fn refuse(&self, op: Op, bio: &H::Bio) -> Option<IoError> {
        if op.is_write() && self.mode() == Mode::ReadOnly {
            return Some(IoError::ReadOnly);
        }
        let range = SectorRange::new(bio.sector(), bio.sectors());
        if range.is_none_or(|range| range.end().get() > self.size().get()) {
            return Some(IoError::OutOfRange);
        }
        let within_block = self.limits().logical_block.get().wrapping_sub(1);
        if (bio.sector().get() | bio.sectors().get()) & within_block != 0 {
            return Some(IoError::Misaligned);
        }
        None
    }

    /// What becomes of the first of `sectors` from `sector` on; at least one of them.
    #[inline]
    fn step(&self, op: Op, sector: Sector, sectors: Sectors) -> Step<'_, H> {
        match self.line_at(sector) {
            Some((target, range)) => self.step_in(target, range, op, sector, sectors),
            None => Step::Fail { error: IoError::OutOfRange, sectors },
        }
    }

    /// The same, where the line is known: its target, and its sectors.
    #[inline]
    pub(crate) fn step_in(
        &self,
        target: &dyn Target,
        range: SectorRange,
        op: Op,
        sector: Sector,
        sectors: Sectors,
    ) -> Step<'_, H> {
        let at = sector.distance_from(range.start()).unwrap_or(Sectors::ZERO);
        let room = range.length().saturating_sub(at);
        let request = Request { op, at: Sector::new(at.get()), sectors: sectors.min(room) };
        match target.map(&request) {
            Map::To { device: DeviceId(id), sector, sectors } => {
                let mapped = sectors.min(request.sectors);
                let (Some(device), false) = (self.devices.get(id as usize), mapped.is_zero())
                else {
                    return Step::Fail { error: IoError::Failed, sectors: request.sectors };
                };
                match device.limits.max(op) {
                    Sectors::ZERO => Step::Fail { error: IoError::NotSupported, sectors: mapped },
                    longest => Step::To { device, sector, sectors: mapped.min(longest) },
                }
            }
            Map::Take { sectors } => {
                let taken = sectors.min(request.sectors);
                match self.pump_at(sector) {
                    Some(pump) if !taken.is_zero() => {
                        Step::Take { pump, at: request.at, sectors: taken }
                    }
                    _ => Step::Fail { error: IoError::Failed, sectors: request.sectors },
                }
            }
            Map::Zeros => Step::Zeros { sectors: request.sectors },
            Map::Fail(error) => Step::Fail { error, sectors: request.sectors },
        }
    }
}

impl<H: Host> Step<'_, H> {
    pub(crate) fn sectors(&self) -> Sectors {
        match *self {
            Step::To { sectors, .. }
            | Step::Take { sectors, .. }
            | Step::Zeros { sectors }
            | Step::Fail { sectors, .. } => sectors,
        }
    }

    fn carry_out(&self, host: &H, op: Op, mut bio: H::Bio, table: &Entered<'_, Arc<Table<H>>>) {
        match *self {
            Step::To { device, sector, .. } => {
                bio.set_sector(sector);
                device.backing.submit(host, bio, table.pass());
            }
            Step::Take { pump, at, .. } => {
                bio.set_sector(at);
                pump.take(table, bio, table.pass());
            }
            Step::Zeros { .. } => {
                if op == Op::Read {
                    bio.fill_zeros();
                }
                bio.complete(Ok(()));
            }
            Step::Fail { error, .. } => bio.complete(Err(error)),
        }
    }
}

impl<H: Host> Backing<H> {
    pub(crate) fn submit(&self, host: &H, mut bio: H::Bio, pass: Pass) {
        bio.carry(pass);
        match self {
            Backing::Host(device) => {
                bio.set_device(device);
                host.submit(bio);
            }
            Backing::Mapped(open) => open.submit(bio),
        }
    }
}
