//! `error`, also called `io-err`: every request fails.

use alloc::boxed::Box;
use core::fmt;

use dm_sync::try_box;
use dm_table::{Args, SectorRange};

use crate::{CtrError, DeviceNames, Devices, IoError, Map, Request, Target, TargetType};

/// The target type `error`: no arguments; every request fails with [`IoError::Failed`].
pub struct ErrorTarget;

impl TargetType for ErrorTarget {
    fn name(&self) -> &'static str {
        "error"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["io-err"]
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
        Ok(try_box(ErrorTarget)?)
    }
}

impl Target for ErrorTarget {
    fn name(&self) -> &'static str {
        "error"
    }

    fn map(&self, _request: &Request) -> Map {
        Map::Fail(IoError::Failed)
    }

    fn write_args(&self, _out: &mut dyn fmt::Write, _names: &dyn DeviceNames) -> fmt::Result {
        Ok(())
    }
}
