//! `cargo xtask vm --ublk`: dmctl in a virtual machine, whose kernel makes block devices for it.
//!
//! There they are verified, mounted, and killed; and measured against a loop device, which tells
//! something only about an emulated machine.

use std::fs;

use super::{file, rows};
use crate::dmctl;
use crate::failure::Failure;
use crate::kernel::guest::Clock;
use crate::kernel::{guest, packages};

const SCRIPT: &str = "../../../dm-host/tests/vm/ublk.sh";
const SECONDS: u32 = 1200;

/// The first kernel of those that are known that is built with the driver.
const KERNEL: &str = "6.12";

pub(crate) fn run(kernel: Option<&str>) -> Result<(), Failure> {
    guest::install()?;
    let kernel = packages::provide(Some(kernel.unwrap_or(KERNEL)))?;
    let dmctl = dmctl::build()?;
    let work = kernel.root.join("vm");
    let image = guest::initramfs(&kernel, None, &[&dmctl], &work, SCRIPT)?;

    let mut qemu = guest::machine(&kernel, &image, "", Clock::Real, "2G", SECONDS);
    guest::add_disk(&mut qemu, &work)?;
    let log = guest::boot(&mut qemu, kernel.root.join("ublk.log"))?;

    let text = fs::read_to_string(&log).map_err(file(&log))?;
    for row in rows(&text, ["ublk", "loop"]) {
        let (ours, loops) = (1e6 / row.ours, 1e6 / row.theirs);
        println!(
            "{:20} ublk {ours:6.2} k requests/s, a loop device {loops:6.2}, ratio {:.2}",
            row.case,
            row.theirs / row.ours
        );
    }
    Ok(())
}
