//! `zero`: reads give zeros, writes are dropped.

use alloc::boxed::Box;
use core::fmt;

use dm_sync::try_box;
use dm_table::{Args, SectorRange};

use crate::{CtrError, DeviceNames, Devices, Map, Request, Target, TargetType};

/// The target type `zero`: no arguments; reads give zeros, and everything else does nothing.
pub struct Zero;

impl TargetType for Zero {
    fn name(&self) -> &'static str {
        "zero"
    }

    fn version(&self) -> [u16; 3] {
        [1, 0, 0]
    }

    fn usage(&self) -> &'static str {
        ""
    }

    fn construct<'t>(
        &self,
        args: Args<'t>,
        _at: SectorRange,
        _devices: &mut dyn Devices,
    ) -> Result<Box<dyn Target>, CtrError<'t>> {
        args.finish()?;
        Ok(try_box(Zero)?)
    }
}

impl Target for Zero {
    fn name(&self) -> &'static str {
        "zero"
    }

    fn map(&self, _request: &Request) -> Map {
        Map::Zeros
    }

    fn write_args(&self, _out: &mut dyn fmt::Write, _names: &dyn DeviceNames) -> fmt::Result {
        Ok(())
    }
}
