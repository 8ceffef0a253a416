//! `mirror`: the same sectors on several devices, made and kept equal in the background.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use dm_sync::{Arc, OutOfMemory, try_box, try_push};
use dm_table::{Args, Sector, SectorRange, Sectors};

use crate::construct::check_aligned;
use crate::{
    CtrError, CtrReason, DeviceId, DeviceNames, Devices, Extent, IoError, Machine, Map,
    MessageError, Request, Target, TargetType,
};

mod args;
mod bitmap;
mod legs;
mod log;
mod machine;
mod shared;

use args::{Features, LogArgs, MIN_REGION, bounded, identify};
use legs::{Leg, Legs};
use log::{Log, MAX_LEGS, Sync};
use machine::{LOG_BUFFER, LOG_JOB, MirrorMachine, Parts};
use shared::{MAX_COPIES, Shared};

/// The target type `mirror`: the same sectors on 2 to 32 devices, its *legs*.
///
/// Arguments, status line and on-disk log are those of Linux's device mapper:
/// `<log> <#log args> <log args> <#mirrors> (<device> <offset>)+ [<#features> <features>]`, where the
/// log is `core <1..2> <region size> [sync or nosync]`, kept in memory, or
/// `disk <2..3> <device> <region size> [sync or nosync]`, kept on a device so that after a crash only
/// those regions are copied that were being written. Features are `handle_errors`, to go on without
/// a leg that fails, and `keep_log`, which changes nothing: a log that fails is never given up.
///
/// A write goes to all legs, and a read to one that is in sync. Regions that are not in sync are
/// copied from the first leg that holds everything. Messages: `pause`, `unpause`; `limit <MB/s>`, 0
/// for none; `copies <1 to 4>`, how many pieces are copied at once.
pub struct Mirror;

struct MirrorTarget {
    shared: Arc<Shared>,
    machine: Option<Box<dyn Machine>>,
    extents: Vec<Extent>,
    length: Sectors,
    /// The log's device, and how much of it the log takes.
    log: Option<(DeviceId, Sectors)>,
    region: u64,
    sync: Sync,
    features: Features,
}

impl TargetType for Mirror {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn version(&self) -> [u16; 3] {
        [1, 0, 0]
    }

    fn usage(&self) -> &'static str {
        "<core or disk> <#log args> [<log device>] <region size> [sync or nosync] \
         <#mirrors> (<device> <offset>)+ [<#features> handle_errors keep_log]"
    }

    fn construct<'t>(
        &self,
        mut args: Args<'t>,
        at: SectorRange,
        devices: &mut dyn Devices,
    ) -> Result<Box<dyn Target>, CtrError<'t>> {
        let log_args = LogArgs::parse(&mut args, at.length(), devices)?;
        let LogArgs { region, sync, region_word, .. } = log_args;
        let regions = at.length().get().div_ceil(region);
        let count =
            bounded(&mut args, "the number of mirrors", 2, MAX_LEGS as u64, "from 2 to 32")?;
        let mut block = MIN_REGION;
        let mut extents = Vec::new();
        let mut legs = Vec::new();
        for _ in 0..count {
            let id = identify(args.clone());
            let extent = Extent::parse(&mut args, at.length(), devices)?;
            let leg_block = devices.logical_block(extent.device);
            block = block.max(leg_block.get());
            check_aligned("region size", region, leg_block)
                .map_err(|why| CtrError::at(region_word, why))?;
            try_push(&mut extents, extent)?;
            try_push(&mut legs, Leg { extent, id })?;
        }
        let features = Features::parse(&mut args)?;
        args.finish()?;

        let mut log = None;
        let mut log_page = Sectors::new(1);
        let mut log_extent = None;
        if let Some((word, device)) = log_args.device {
            let block = devices.logical_block(device);
            let (size, needed) = (devices.size(device), Log::size(regions, block));
            if size < needed {
                let (device, start) = (word.excerpt(), Sector::ZERO);
                let reason = CtrReason::PastEnd { device, size, start, length: needed };
                return Err(CtrError::at(word, reason));
            }
            log_page = Log::page(block);
            log_extent = Some((device, needed));
            log = Some(Log::new(device, block, regions, LOG_BUFFER, LOG_JOB)?);
        }
        let shared = Arc::try_new(Shared::new(extents.len(), regions)?)?;
        let machine = machine(Parts {
            legs: Legs::new(legs, shared.clone()),
            shared: shared.clone(),
            length: at.length(),
            region,
            block,
            handle_errors: features.handle_errors,
            sync,
            log,
            log_page,
        })?;
        let (machine, log, length) = (Some(machine), log_extent, at.length());
        Ok(try_box(MirrorTarget { shared, machine, extents, length, log, region, sync, features })?)
    }
}

/// Not inlined: a kernel's stack is small, and this takes much of it.
#[inline(never)]
fn machine(parts: Parts) -> Result<Box<dyn Machine>, OutOfMemory> {
    Ok(try_box(MirrorMachine::new(parts)?)?)
}

impl Target for MirrorTarget {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn map(&self, request: &Request) -> Map {
        // A region's state holds for the whole of a request.
        let into_region = request.at.get() & self.region.wrapping_sub(1);
        let left = Sectors::new(self.region.saturating_sub(into_region));
        match left.is_zero() {
            true => Map::Fail(IoError::Failed),
            false => Map::Take { sectors: left.min(request.sectors) },
        }
    }

    fn take_machine(&mut self) -> Option<Box<dyn Machine>> {
        self.machine.take()
    }

    fn uses(&self, tell: &mut dyn FnMut(DeviceId, SectorRange)) {
        let legs = self.extents.iter().map(|leg| (leg.device, leg.start, self.length));
        let log = self.log.map(|(device, length)| (device, Sector::ZERO, length));
        for (device, start, length) in legs.chain(log) {
            if let Some(range) = SectorRange::new(start, length) {
                tell(device, range);
            }
        }
    }

    fn write_args(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        let (sync, words) = match self.sync {
            Sync::AsLogged => ("", 1u8),
            Sync::Forced => (" sync", 2),
            Sync::Assumed => (" nosync", 2),
        };
        match self.log {
            None => write!(out, "core {words} ")?,
            Some((device, _)) => {
                write!(out, "disk {} ", words.saturating_add(1))?;
                names.write_name(device, out)?;
                out.write_char(' ')?;
            }
        }
        write!(out, "{}{sync} {}", self.region, self.extents.len())?;
        for extent in &self.extents {
            out.write_char(' ')?;
            names.write_name(extent.device, out)?;
            write!(out, " {}", extent.start)?;
        }
        self.features.write(out)
    }

    fn write_status(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        write!(out, "{}", self.extents.len())?;
        for extent in &self.extents {
            out.write_char(' ')?;
            names.write_name(extent.device, out)?;
        }
        write!(out, " {}/{} 1 ", self.shared.in_sync(), self.shared.regions())?;
        self.shared.letters().try_for_each(|letter| out.write_char(letter))?;
        match self.log {
            None => out.write_str(" 1 core"),
            Some((device, _)) => {
                out.write_str(" 3 disk ")?;
                names.write_name(device, out)?;
                write!(out, " {}", self.shared.log_letter())
            }
        }
    }

    fn message(
        &self,
        mut words: Args<'_>,
        _answer: &mut dyn fmt::Write,
    ) -> Result<(), MessageError> {
        let expected = |expected| MessageError::Expected { expected };
        let usage = "pause, unpause, limit <MB/s>, or copies <1 to 4>";
        let verb = words.next().ok_or(expected(usage))?;
        if verb == "pause" || verb == "unpause" {
            self.shared.pause(verb == "pause");
        } else if verb == "limit" {
            let megabytes = words.number("the limit").map_err(|_| expected("limit <MB/s>"))?;
            self.shared.set_limit(megabytes.saturating_mul(1_000_000 / 512));
        } else if verb == "copies" {
            match words.number("the number of copies").map(u8::try_from) {
                Ok(Ok(copies @ 1..=MAX_COPIES)) => self.shared.set_copies(copies),
                _ => return Err(expected("copies <1 to 4>")),
            }
        } else {
            return Err(expected(usage));
        }
        words.finish().map_err(|_| expected("nothing more"))
    }
}

#[cfg(test)]
mod tests;
