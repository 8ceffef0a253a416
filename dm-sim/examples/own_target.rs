//! Tests a target type of one's own: `swapped`, which keeps each pair of sectors in reverse order.
//!
//! Run with `cargo run -p dm-sim --example own_target`. Nothing here knows what `swapped` does with a
//! request: the simulator asks for reads, writes and flushes, lets disks fail and power be cut, and
//! looks whether what comes back is what a disk may return.

use core::fmt;
use std::sync::Arc;

use dm_core::table_text::Args;
use dm_core::targets::{CtrError, DeviceNames, Devices, Extent, Map, Request, Target, TargetType};
use dm_core::{Registry, SectorRange, Sectors, try_box};
use dm_sim::{Act, Plan, Random, campaign};

/// The target type `swapped`: `<device> <offset>`; every other sector comes before the one it follows.
struct Swapped;

struct SwappedTarget {
    extent: Extent,
}

impl TargetType for Swapped {
    fn name(&self) -> &'static str {
        "swapped"
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
        let extent = Extent::parse(&mut args, at.length(), devices)?;
        args.finish()?;
        Ok(try_box(SwappedTarget { extent })?)
    }
}

impl Target for SwappedTarget {
    fn name(&self) -> &'static str {
        "swapped"
    }
    fn map(&self, request: &Request) -> Map {
        let sector = self.extent.start.saturating_add(Sectors::new(request.at.get() ^ 1));
        Map::To { device: self.extent.device, sector, sectors: Sectors::new(1) }
    }
    fn write_args(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        names.write_name(self.extent.device, out)?;
        write!(out, " {}", self.extent.start)
    }
}

/// What a seed stands for: requests of all kinds, a fault now and then, a suspend, power cuts.
fn plan(seed: u64) -> Plan {
    let mut random = Random::new(seed);
    let mut plan = Plan::new("swapped", random.number(), 64, "0 64 swapped disk 8");
    let disk = plan.add_disk("disk", 72);
    let mut registry = Registry::with_builtins().expect("memory for the built-in target types");
    registry.register(Swapped).expect("no other target type of that name");
    plan.registry = Arc::new(registry);
    plan.add_requests(60, &mut random);
    // Each sector of a request goes to the disk by itself.
    plan.promises.jobs = (40, 0);
    for _ in 0..random.below(3) {
        match random.below(3) {
            0 => plan.add_fault(disk, &mut random),
            1 => plan.add_suspend(&mut random),
            _ => plan.add(&mut random, 200, Act::CutPower),
        }
    }
    plan
}

fn main() {
    let report = campaign(0..500, 2, &plan, &|_| {});
    println!("{} seeds are well\n{}", report.good, report.tally);
    if let Some(found) = report.found {
        println!("{found}");
    }
}

#[test]
fn it_keeps_what_it_is_given() {
    let report = campaign(0..100, 1, &plan, &|_| {});
    assert!(report.found.is_none(), "{}", report.found.unwrap());
    assert!(report.tally.cuts > 0 && report.tally.disks.errors > 0);
}
