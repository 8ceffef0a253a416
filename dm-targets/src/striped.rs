//! `striped`: chunk after chunk, dealt out over several devices.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use dm_sync::{try_box, try_push};
use dm_table::{Args, SectorRange, Sectors};

use crate::construct::check_aligned;
use crate::reciprocal::Reciprocal;
use crate::{
    CtrError, CtrReason, DeviceNames, Devices, Extent, IoError, Map, Request, Target, TargetType,
};

/// The target type `striped`: `<#stripes> <chunk> (<device> <offset>)+`, the chunk in sectors.
///
/// Arguments, layout and status line are those of Linux's device mapper. Mapping divides twice, by
/// the chunk and by the number of stripes; both divisors are known when the table is made, so that
/// no division instruction is needed for chunks of any size on devices of any size.
pub struct Striped;

struct StripedTarget {
    chunk: Reciprocal,
    stripes: Reciprocal,
    extents: Vec<Extent>,
}

impl TargetType for Striped {
    fn name(&self) -> &'static str {
        "striped"
    }

    fn version(&self) -> [u16; 3] {
        [1, 0, 0]
    }

    fn usage(&self) -> &'static str {
        "<#stripes> <chunk> (<device> <offset>)+"
    }

    fn construct<'t>(
        &self,
        mut args: Args<'t>,
        at: SectorRange,
        devices: &mut dyn Devices,
    ) -> Result<Box<dyn Target>, CtrError<'t>> {
        let stripes = positive(&mut args, "the number of stripes")?;
        let chunk_word = args.clone().word("the chunk in sectors")?;
        let chunk = positive(&mut args, "the chunk in sectors")?;
        let length = at.length().get();
        let (stripe_length, rest) = stripes.divide(length);
        if rest != 0 {
            return Err(CtrReason::Length {
                length: at.length(),
                what: "the number of stripes",
                unit: stripes.divisor().into(),
            }
            .into());
        }
        if chunk.divide(stripe_length).1 != 0 {
            return Err(CtrReason::Length {
                length: at.length(),
                what: "stripes times chunk",
                unit: u64::from(stripes.divisor()).saturating_mul(chunk.divisor().into()),
            }
            .into());
        }
        let mut extents = Vec::new();
        for _ in 0..stripes.divisor() {
            // One at a time: the number of stripes is only a claim until their words are there.
            let extent = Extent::parse(&mut args, Sectors::new(stripe_length), devices)?;
            let block = devices.logical_block(extent.device);
            check_aligned("chunk", chunk.divisor().into(), block)
                .map_err(|why| CtrError::at(chunk_word, why))?;
            try_push(&mut extents, extent)?;
        }
        args.finish()?;
        Ok(try_box(StripedTarget { chunk, stripes, extents })?)
    }
}

/// A number from 1 to 2^32 - 1.
fn positive<'t>(args: &mut Args<'t>, what: &'static str) -> Result<Reciprocal, CtrError<'t>> {
    let word = args.clone().word(what)?;
    let found = args.number(what)?;
    match u32::try_from(found) {
        Ok(number) if number > 0 => Ok(Reciprocal::new(number)),
        _ => Err(CtrError::at(
            word,
            CtrReason::Bounds { what, bounds: "from 1 to 4294967295", found },
        )),
    }
}

impl Target for StripedTarget {
    fn name(&self) -> &'static str {
        "striped"
    }

    #[expect(
        clippy::arithmetic_side_effects,
        reason = "no part of a position is past it, and `into_chunk` is below the chunk"
    )]
    fn map(&self, request: &Request) -> Map {
        let (chunk, into_chunk) = self.chunk.divide(request.at.get());
        let (row, stripe) = self.stripes.divide(chunk);
        let Some(extent) = self.extents.get(stripe as usize) else {
            return Map::Fail(IoError::Failed);
        };
        let into_stripe = row * u64::from(self.chunk.divisor()) + u64::from(into_chunk);
        let left_of_chunk = u64::from(self.chunk.divisor() - into_chunk);
        Map::To {
            device: extent.device,
            sector: extent.start.saturating_add(Sectors::new(into_stripe)),
            sectors: Sectors::new(left_of_chunk.min(request.sectors.get())),
        }
    }

    fn write_args(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        write!(out, "{} {}", self.extents.len(), self.chunk.divisor())?;
        for extent in &self.extents {
            out.write_char(' ')?;
            names.write_name(extent.device, out)?;
            write!(out, " {}", extent.start)?;
        }
        Ok(())
    }

    fn write_status(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        write!(out, "{}", self.extents.len())?;
        for extent in &self.extents {
            out.write_char(' ')?;
            names.write_name(extent.device, out)?;
        }
        out.write_str(" 1 ")?;
        self.extents.iter().try_for_each(|_| out.write_char('A'))
    }
}

#[cfg(test)]
mod tests;
