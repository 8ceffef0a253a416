//! A target type of one's own: `reversed` maps the first sector of a line to the last of its device.
//!
//! Run with `cargo run -p dm-core --example target`.

use core::fmt;

use dm_core::table_text::Args;
use dm_core::targets::{CtrError, DeviceNames, Devices, Extent, Map, Request, Target, TargetType};
use dm_core::{Sector, SectorRange, Sectors, try_box};

/// The target type `reversed`: `<device> <offset>`; the sectors of the line, last one first.
struct Reversed;

struct ReversedTarget {
    extent: Extent,
    last: Sector,
}

impl TargetType for Reversed {
    fn name(&self) -> &'static str {
        "reversed"
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
        let last = Sector::new(extent.start.get() + at.length().get() - 1);
        Ok(try_box(ReversedTarget { extent, last })?)
    }
}

impl Target for ReversedTarget {
    fn name(&self) -> &'static str {
        "reversed"
    }
    fn map(&self, request: &Request) -> Map {
        let sector = Sector::new(self.last.get() - request.at.get());
        // One sector at a time: the next one lies before it.
        Map::To { device: self.extent.device, sector, sectors: Sectors::new(1) }
    }
    fn write_args(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        names.write_name(self.extent.device, out)?;
        write!(out, " {}", self.extent.start)
    }
}

fn main() {
    let sim = dm_sim::Sim::new();
    sim.add_disk("disk", 16).fill(|byte| b'a' + (byte / 512) as u8);
    sim.mapper().register(Reversed).expect("no other target type of that name");
    let device = dm_sim::load(&sim, "backwards", "0 16 reversed disk 0");
    let read = sim.read(&device.open().expect("the device is there"), 0, 16);
    sim.complete_all();
    let letters: String = read.data().chunks(512).map(|sector| sector[0] as char).collect();
    println!("disk:      abcdefghijklmnop\nbackwards: {letters}");
    assert_eq!(letters, "ponmlkjihgfedcba");
}

#[test]
fn runs() {
    main();
}
