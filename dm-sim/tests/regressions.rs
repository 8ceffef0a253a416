//! What seeds found in the mirror, each by itself.

use std::time::Duration;

use dm_core::{BioOp, IoError, MappedDevice, Op, Registry};
use dm_sim::{Pending, Random, Sim, SimHost, load};

const SECOND: Duration = Duration::from_secs(1);

/// A mirror of 8 regions on `a` and `b`, which are equal, with a log on disk.
const EQUAL: &str = "0 64 mirror disk 3 log 8 nosync 2 a 0 b 0 1 handle_errors";

fn disks() -> Sim {
    let sim = Sim::new();
    for name in ["a", "b"] {
        sim.add_disk(name, 64);
    }
    sim.add_disk("log", 16);
    sim
}

/// Binds the table, and lets what that leads to come to its end.
fn bind(sim: &Sim, table: &str) -> MappedDevice<SimHost> {
    let device = load(sim, "foo", table);
    sim.complete_all();
    device
}

fn on(pending: &[Pending], op: BioOp) -> Vec<&str> {
    pending.iter().filter(|p| p.op == op).map(|p| p.disk.as_str()).collect()
}

#[test]
fn a_region_is_marked_while_legs_are_flushed() {
    let sim = disks();
    let device = bind(&sim, EQUAL);
    let open = device.open().unwrap();
    sim.write(&open, 0, &[1; 512]);
    sim.complete_all();
    sim.advance(2 * SECOND);
    assert_eq!(on(&sim.pending(), BioOp::Flush), ["a", "b"]);
    let write = sim.write(&open, 8, &[2; 512]);
    assert_eq!(on(&sim.pending(), BioOp::Data(Op::Write)), ["log"]);
    sim.complete_all();
    assert_eq!(write.result(), Some(Ok(())));
}

#[test]
fn a_suspend_drains_while_legs_are_flushed() {
    let sim = disks();
    let device = bind(&sim, EQUAL);
    // There is no mark to clear afterwards, and so nothing for the log to write.
    sim.advance(2 * SECOND);
    assert_eq!(on(&sim.pending(), BioOp::Flush), ["a", "b"]);
    let change = device.suspend().unwrap();
    sim.complete_all();
    assert!(change.is_done());
}

#[test]
fn legs_are_not_flushed_over_and_over_during_a_long_write() {
    let sim = disks();
    let device = bind(&sim, EQUAL);
    sim.advance(2 * SECOND);
    sim.complete_all();
    let write = sim.write(&device.open().unwrap(), 0, &[1; 512]);
    assert_eq!(on(&sim.pending(), BioOp::Data(Op::Write)), ["log"]);
    sim.complete(0);
    assert_eq!(on(&sim.pending(), BioOp::Data(Op::Write)), ["a", "b"]);
    for _ in 0..3 {
        sim.advance(2 * SECOND);
        assert_eq!(on(&sim.pending(), BioOp::Flush), ["a", "b"]);
        sim.complete(3);
        sim.complete(2);
        assert_eq!(on(&sim.pending(), BioOp::Flush), [""; 0], "not before some time has passed");
    }
    sim.complete_all();
    assert_eq!(write.result(), Some(Ok(())));
}

#[test]
fn what_a_dead_leg_never_flushed_is_copied_again() {
    const TABLE: &str = "0 64 mirror disk 2 log 8 2 a 0 b 0 1 handle_errors";
    for seed in 0..20 {
        let sim = disks();
        sim.disk("a").fill(|byte| (byte / 512) as u8 + 1);
        // All of it is copied to `b`, and is in its cache when it fails.
        let device = bind(&sim, TABLE);
        sim.disk("b").fail_with(Some(IoError::Failed));
        let write = sim.write(&device.open().unwrap(), 0, &[9; 512]);
        sim.complete_all();
        assert_eq!(write.result(), Some(Ok(())));
        sim.disk("b").fail_with(None);
        sim.advance(2 * SECOND);
        sim.complete_all();

        sim.cut_power(&mut Random::new(seed));
        let lost = sim.disk("b").counts().lost;
        let again = Sim::with(Registry::with_builtins().unwrap(), sim.disks(), sim.now());
        let _device = bind(&again, TABLE);
        assert_eq!(again.disk("a").bytes(), again.disk("b").bytes(), "seed {seed}, {lost} lost");
    }
}

#[test]
fn legs_that_do_not_flush_are_not_copied_again_all_the_time() {
    let sim = disks();
    let device = bind(&sim, "0 64 mirror disk 3 log 8 nosync 2 a 0 b 0");
    let open = device.open().unwrap();
    sim.write(&open, 0, &[1; 512]);
    sim.complete_all();
    sim.advance(2 * SECOND);
    assert_eq!(on(&sim.pending(), BioOp::Flush), ["a", "b"]);
    sim.disk("b").fail_with(Some(IoError::Failed));
    sim.complete(0);
    sim.complete(0);
    sim.disk("b").fail_with(None);
    // The region may have been lost there, and so it is copied; and that is all for a while.
    assert_eq!(on(&sim.pending(), BioOp::Data(Op::Read)), ["a"]);
    sim.complete_all();
    sim.advance(10 * SECOND);
    assert!(sim.pending().is_empty());
    sim.advance(60 * SECOND);
    assert_eq!(on(&sim.pending(), BioOp::Flush), ["a", "b"]);
    sim.complete_all();
}
