//! `linear`: the sectors of the line lie one after another on a device.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt::{self, Write};

use dm_sync::{OutOfMemory, try_box};
use dm_table::{Args, SectorRange, Sectors, Word};

use crate::{CtrError, DeviceNames, Devices, Extent, Map, OpenError, Request, Target, TargetType};

/// The target type `linear`: `<device> <offset>`, or as in the proposal `<major> <minor> <offset>`.
pub struct Linear;

struct LinearTarget {
    extent: Extent,
}

impl TargetType for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn version(&self) -> [u16; 3] {
        [1, 0, 0]
    }

    fn usage(&self) -> &'static str {
        "<device> <offset>"
    }

    fn construct<'t>(
        &self,
        mut args: Args<'t>,
        at: SectorRange,
        devices: &mut dyn Devices,
    ) -> Result<Box<dyn Target>, CtrError<'t>> {
        let extent = if is_proposals_form(args.clone()) {
            parse_proposals_form(&mut args, at.length(), devices)?
        } else {
            Extent::parse(&mut args, at.length(), devices)?
        };
        args.finish()?;
        Ok(try_box(LinearTarget { extent })?)
    }
}

/// Three numbers. Today's form has two words, so that there is no mistaking one for the other.
fn is_proposals_form(args: Args<'_>) -> bool {
    let is_number = |word: Word<'_>| word.raw().bytes().all(|byte| byte.is_ascii_digit());
    args.remaining() == 3 && args.clone().all(is_number)
}

fn parse_proposals_form<'t>(
    args: &mut Args<'t>,
    length: Sectors,
    devices: &mut dyn Devices,
) -> Result<Extent, CtrError<'t>> {
    let named = args.word("the major number")?;
    let major = named.number_u32("the major number")?;
    let minor = args.number_u32("the minor number")?;
    let mut name = String::new();
    // Two numbers of 32 bits have ten digits each.
    name.try_reserve_exact(21).map_err(OutOfMemory::from)?;
    let opened = match write!(name, "{major}:{minor}") {
        Ok(()) => devices.open(&name),
        Err(fmt::Error) => Err(OpenError::OutOfMemory),
    };
    Extent::parse_offset(opened, named, args, length, devices)
}

impl Target for LinearTarget {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn map(&self, request: &Request) -> Map {
        Map::To {
            device: self.extent.device,
            sector: self.extent.start.saturating_add(Sectors::new(request.at.get())),
            sectors: request.sectors,
        }
    }

    fn write_args(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        names.write_name(self.extent.device, out)?;
        write!(out, " {}", self.extent.start)
    }
}

#[cfg(test)]
mod tests;
