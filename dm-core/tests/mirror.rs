//! A mirror in the core: what goes to which leg, and when.

use std::time::Duration;

use dm_core::{BioFlags, BioOp, IoError, Limits, MappedDevice, Op, Open, Sectors};
use dm_sim::{Pending, Sim, SimHost, load};

/// Disks `a`, `b`, `c` with contents of their own, and an empty one for a log.
fn disks() -> Sim {
    let sim = Sim::new();
    for (n, name) in (1..).zip(["a", "b", "c"]) {
        sim.add_disk(name, 4096).fill(|byte| (byte / 512 % 251) as u8 ^ (n * 50));
    }
    sim.add_disk("log", 8);
    sim
}

fn open(sim: &Sim, table: &str) -> (MappedDevice<SimHost>, Open<SimHost>) {
    let device = load(sim, "foo", table);
    let open = device.open().unwrap();
    (device, open)
}

fn status(device: &MappedDevice<SimHost>) -> String {
    let mut text = String::new();
    device.table().unwrap().write_status(&mut text).unwrap();
    text.trim_end().to_owned()
}

fn say(device: &MappedDevice<SimHost>, words: &str) -> Result<(), dm_core::SendError> {
    let line = format!("0 1 x {words}");
    let parsed = dm_core::table_text::parse(line.as_bytes()).next().unwrap().unwrap();
    device.message(dm_core::Sector::ZERO, parsed.args()).map(|_| ())
}

fn writes(pending: &[Pending]) -> Vec<(&str, u64)> {
    let writes = pending.iter().filter(|p| p.op == BioOp::Data(Op::Write));
    writes.map(|p| (p.disk.as_str(), p.sector)).collect()
}

#[test]
fn copies_the_first_leg_to_the_others_and_says_how_far() {
    let sim = disks();
    let before = sim.disk("a").sectors(100, 2000);
    let (device, _open) = open(&sim, "0 2000 mirror core 1 64 3 a 100 b 7 c 2000");
    assert_eq!(status(&device), "0 2000 mirror 3 a b c 0/32 1 AAA 1 core");
    let events = device.events();
    sim.complete_all();
    assert_eq!(status(&device), "0 2000 mirror 3 a b c 32/32 1 AAA 1 core");
    assert!(device.events() > events);
    assert!(before == sim.disk("a").sectors(100, 2000), "the source is left alone");
    assert!(
        before == sim.disk("b").sectors(7, 2000) && before == sim.disk("c").sectors(2000, 2000)
    );
}

#[test]
fn writes_go_to_all_legs_and_reads_to_one() {
    let sim = disks();
    let (_device, open) = open(&sim, "0 2000 mirror core 2 64 nosync 2 a 0 b 0");
    let write = sim.write(&open, 70, &[5; 1024]);
    assert_eq!(writes(&sim.pending()), [("a", 70), ("b", 70)]);
    sim.complete(0);
    assert!(!write.is_done());
    sim.complete(0);
    assert_eq!(write.result(), Some(Ok(())));
    let reads: Vec<_> = (0..4).map(|n| sim.read(&open, 70 + n % 2, 1)).collect();
    let on_a = sim.pending().iter().filter(|p| p.disk == "a").count();
    assert_eq!(on_a, 2, "half of them");
    sim.complete_all();
    assert!(reads.iter().all(|read| read.data() == [5; 512]));
}

#[test]
fn a_job_is_split_for_a_leg_that_takes_less_at_once() {
    let sim = disks();
    let limits = Limits { max_transfer: Sectors::new(8), ..Limits::NONE };
    sim.add_disk_with("short", 4096, limits);
    let (_device, open) = open(&sim, "0 2000 mirror core 2 64 nosync 2 a 0 short 0");
    for (sectors, parts) in [(8, vec![8]), (16, vec![8, 8]), (20, vec![8, 8, 4])] {
        let data = vec![sectors as u8; sectors * 512];
        let write = sim.write(&open, 3, &data);
        let pending = sim.pending().into_iter().filter(|part| part.disk == "short");
        assert_eq!(pending.map(|part| part.sectors).collect::<Vec<_>>(), parts);
        sim.complete_all();
        assert_eq!(write.result(), Some(Ok(())));
        assert!(sim.disk("short").sectors(3, sectors as u64) == data);
    }
}

#[test]
fn a_job_that_a_host_loses_has_failed() {
    let sim = disks();
    let (device, open) = open(&sim, "0 2000 mirror core 2 64 nosync 2 a 0 b 0 1 handle_errors");
    let write = sim.write(&open, 70, &[5; 1024]);
    sim.lose(1);
    sim.complete_all();
    assert_eq!(write.result(), Some(Ok(())), "by the other leg");
    assert!(status(&device).contains(" AD "), "{}", status(&device));
}

#[test]
fn what_crosses_a_region_is_split_and_completes_once() {
    let sim = disks();
    let (_device, open) = open(&sim, "0 2000 mirror core 2 64 nosync 2 a 0 b 0");
    let write = sim.write(&open, 60, &[6; 10 * 512]);
    assert_eq!(writes(&sim.pending()), [("a", 60), ("b", 60), ("a", 64), ("b", 64)]);
    sim.complete_all();
    assert_eq!(write.result(), Some(Ok(())));
    assert_eq!(sim.disk("b").sectors(60, 10), [6; 10 * 512]);
}

#[test]
fn a_write_waits_for_the_part_that_is_being_copied_and_for_no_other() {
    let sim = disks();
    let (_device, open) = open(&sim, "0 2000 mirror core 1 64 2 a 0 b 0");
    let copy = sim.pending();
    assert_eq!(
        (copy.len(), copy[0].sector, copy[0].sectors),
        (1, 0, 16),
        "a quarter of one is being read"
    );
    let waits = sim.write(&open, 15, &[7; 512]);
    assert_eq!(sim.pending().len(), 1);
    let goes = sim.write(&open, 16, &[8; 512]);
    assert_eq!(writes(&sim.pending()), [("a", 16), ("b", 16)]);
    sim.complete_all();
    assert_eq!((waits.result(), goes.result()), (Some(Ok(())), Some(Ok(()))));
    assert!(sim.disk("a").sectors(0, 2000) == sim.disk("b").sectors(0, 2000));
    assert_eq!(sim.disk("b").sectors(15, 2), [[7; 512], [8; 512]].concat());
}

#[test]
fn a_region_that_is_copied_piece_by_piece_is_written_in_between() {
    let sim = disks();
    // The clock stands still at the moment of a request.
    let (device, open) = open(&sim, "0 2000 mirror core 1 512 2 a 0 b 0");
    for at in [0, 128, 256, 384] {
        let copy = sim.pending();
        assert_eq!((copy.len(), copy[0].sector, copy[0].sectors), (1, at, 128));
        // To what is being copied, to what was copied before, and to what will be.
        let waits = sim.write(&open, at + 127, &[1; 512]);
        let others = [(at + 384) % 512, (at + 256) % 512];
        let go = others.map(|other| sim.write(&open, other, &[at as u8; 512]));
        assert_eq!(writes(&sim.pending()).len(), 4);
        // All but the copy; then that is read, written, and makes way.
        (0..4).for_each(|_| sim.complete(1));
        assert!(go.iter().all(|write| write.is_done()) && !waits.is_done());
        (0..2).for_each(|_| sim.complete(0));
        let write = sim.pending().iter().position(|pending| pending.sector == at + 127);
        sim.complete(write.unwrap());
        let write = sim.pending().iter().position(|pending| pending.sector == at + 127);
        sim.complete(write.unwrap());
        assert_eq!(waits.result(), Some(Ok(())));
    }
    sim.complete_all();
    assert_eq!(status(&device), "0 2000 mirror 2 a b 4/4 1 AA 1 core");
    assert!(sim.disk("a").sectors(0, 2000) == sim.disk("b").sectors(0, 2000));
}

#[test]
fn overlapping_writes_reach_all_legs_in_one_order() {
    let sim = disks();
    let (_device, open) = open(&sim, "0 2000 mirror core 2 64 nosync 2 a 0 b 0");
    let first = sim.write(&open, 0, &[1; 1024]);
    let second = sim.write(&open, 1, &[2; 1024]);
    assert_eq!(sim.pending().len(), 2);
    sim.complete(1);
    sim.complete(0);
    assert!(first.is_done());
    sim.complete_all();
    assert_eq!(second.result(), Some(Ok(())));
    assert_eq!(sim.disk("a").sectors(0, 3), sim.disk("b").sectors(0, 3));
}

#[test]
fn a_region_is_marked_on_disk_before_it_is_written() {
    let sim = disks();
    let (_device, open) = open(&sim, "0 2000 mirror disk 3 log 64 nosync 2 a 0 b 0");
    sim.complete_all();
    let write = sim.write(&open, 130, &[9; 512]);
    let pending = sim.pending();
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].disk.as_str(), pending[0].flags), ("log", BioFlags::FUA));
    sim.complete(0);
    assert_eq!(sim.disk("log").sectors(2, 1)[0] & 4, 0, "region 2 is dirty");
    assert_eq!(writes(&sim.pending()), [("a", 130), ("b", 130)]);
    let again = sim.write(&open, 140, &[9; 512]);
    assert_eq!(sim.pending().len(), 4, "no mark for a region that has one");
    sim.complete_all();
    assert!(write.is_done() && again.is_done());
}

#[test]
fn suspending_flushes_the_legs_and_clears_the_marks() {
    let sim = disks();
    let (device, open) = open(&sim, "0 2000 mirror disk 3 log 64 nosync 2 a 0 b 0");
    sim.complete_all();
    sim.write(&open, 130, &[9; 512]);
    sim.complete_all();
    let change = device.suspend().unwrap();
    sim.settle();
    let flushes: Vec<_> = sim.pending().iter().map(|p| (p.disk.clone(), p.op)).collect();
    assert_eq!(flushes, [("a".into(), BioOp::Flush), ("b".into(), BioOp::Flush)]);
    assert!(!change.is_done());
    sim.complete_all();
    assert!(change.is_done());
    assert_eq!(sim.disk("log").sectors(2, 1)[..4], [0xff; 4]);
}

#[test]
fn after_a_crash_only_dirty_regions_are_copied() {
    let sim = disks();
    let table = "0 2000 mirror disk 3 log 64 nosync 2 a 0 b 0";
    {
        let (_device, open) = open(&sim, table);
        sim.complete_all();
        sim.write(&open, 130, &[9; 512]);
        sim.complete(0);
        // The write reaches `a` alone, and then the power goes.
        sim.complete(0);
    }
    let log = sim.disk("log").bytes();
    let after = Sim::new();
    for name in ["a", "b"] {
        let contents = sim.disk(name).bytes();
        after.add_disk(name, 4096).fill(|byte| contents[byte]);
    }
    after.add_disk("log", 8).fill(|byte| log[byte]);
    let device = load(&after, "foo", "0 2000 mirror disk 2 log 64 2 a 0 b 0");
    let events = device.events();
    after.complete(0);
    assert_eq!(status(&device), "0 2000 mirror 2 a b 31/32 1 AA 3 disk log A");
    assert!(device.events() > events, "who looked before the log was read looks again");
    let copy = after.pending();
    assert_eq!((copy.len(), copy[0].disk.as_str(), copy[0].sector), (1, "a", 128));
    after.complete_all();
    assert_eq!(status(&device), "0 2000 mirror 2 a b 32/32 1 AA 3 disk log A");
    assert!(after.disk("a").sectors(128, 64) == after.disk("b").sectors(128, 64));
    assert_eq!(after.disk("b").sectors(130, 1), [9; 512]);
}

#[test]
fn goes_on_without_a_leg_that_fails_if_it_may() {
    let sim = disks();
    let table = "0 2000 mirror core 2 64 nosync 2 a 0 b 0 1 handle_errors";
    let (device, open) = open(&sim, table);
    sim.disk("a").fail_with(Some(IoError::Failed));
    let write = sim.write(&open, 0, &[3; 512]);
    sim.complete_all();
    assert_eq!(write.result(), Some(Ok(())));
    assert_eq!(status(&device), "0 2000 mirror 2 a b 31/32 1 DA 1 core");
    let read = sim.read(&open, 0, 1);
    assert_eq!(sim.pending()[0].disk, "b");
    sim.complete_all();
    assert_eq!(read.data(), [3; 512]);

    sim.disk("a").fail_with(None);
    let change = device.suspend().unwrap();
    sim.complete_all();
    assert!(change.is_done());
    let _ = device.resume().unwrap();
    sim.complete_all();
    assert_eq!(status(&device), "0 2000 mirror 2 a b 32/32 1 AA 1 core");
    assert_eq!(sim.disk("a").sectors(0, 1), [3; 512], "made good from the leg that has it");
}

#[test]
fn without_that_errors_come_through_and_legs_are_made_equal() {
    let sim = disks();
    let (device, open) = open(&sim, "0 2000 mirror core 2 64 nosync 2 a 0 b 0");
    sim.disk("b").fail_with(Some(IoError::NoSpace));
    let write = sim.write(&open, 0, &[3; 512]);
    sim.complete(0);
    sim.complete(0);
    sim.disk("b").fail_with(None);
    sim.complete_all();
    assert_eq!(write.result(), Some(Err(IoError::Failed)));
    assert_eq!(status(&device), "0 2000 mirror 2 a b 32/32 1 AD 1 core");
    assert_eq!(sim.disk("b").sectors(0, 1), [3; 512]);
}

#[test]
fn a_leg_that_missed_something_is_not_believed_after_a_crash() {
    let sim = disks();
    {
        let table = "0 2000 mirror disk 3 log 64 nosync 2 a 0 b 0 1 handle_errors";
        let (_device, open) = open(&sim, table);
        sim.complete_all();
        sim.disk("a").fail_with(Some(IoError::Failed));
        let write = sim.write(&open, 0, &[3; 512]);
        sim.complete(0);
        assert_eq!(writes(&sim.pending()), [("a", 0), ("b", 0)]);
        sim.complete(0);
        sim.complete(0);
        assert!(!write.is_done(), "not before the log says that `a` has missed it");
        assert_eq!(writes(&sim.pending()), [("log", 0)]);
        sim.complete_all();
        assert_eq!(write.result(), Some(Ok(())));
    }
    let after = Sim::new();
    for name in ["a", "b"] {
        let contents = sim.disk(name).bytes();
        after.add_disk(name, 4096).fill(|byte| contents[byte]);
    }
    let log = sim.disk("log").bytes();
    after.add_disk("log", 8).fill(|byte| log[byte]);
    let device = load(&after, "foo", "0 2000 mirror disk 2 log 64 2 a 0 b 0 1 handle_errors");
    after.complete_all();
    assert_eq!(status(&device), "0 2000 mirror 2 a b 32/32 1 AA 3 disk log A");
    assert_eq!(after.disk("a").sectors(0, 1), [3; 512]);
}

#[test]
fn a_flush_reaches_all_legs_and_fua_does_too() {
    let sim = disks();
    let (_device, open) = open(&sim, "0 64 linear c 0\n64 64 mirror core 2 64 nosync 2 a 0 b 0");
    let flush = sim.flush(&open);
    sim.complete_all();
    assert_eq!(flush.result(), Some(Ok(())));
    assert_eq!(["a", "b", "c"].map(|name| sim.disk(name).flushes()), [1, 1, 1]);
    sim.start(&open, BioOp::Data(Op::Write), BioFlags::FUA, 64, 1, vec![1; 512]);
    assert!(sim.pending().iter().all(|write| write.flags == BioFlags::FUA));
    sim.complete_all();
}

#[test]
fn a_paused_recovery_waits_to_be_told() {
    let sim = disks();
    let (device, _open) = open(&sim, "0 2000 mirror core 1 64 2 a 0 b 0");
    let say = |words: &str| say(&device, words);
    say("pause").unwrap();
    sim.complete_all();
    assert_eq!(status(&device), "0 2000 mirror 2 a b 0/32 1 AA 1 core");
    assert_eq!(sim.disk("b").sectors(0, 16), sim.disk("a").sectors(0, 16), "what had begun");
    assert_ne!(sim.disk("b").sectors(16, 1), sim.disk("a").sectors(16, 1));
    say("unpause").unwrap();
    sim.complete_all();
    assert_eq!(status(&device), "0 2000 mirror 2 a b 32/32 1 AA 1 core");
    assert_eq!(
        say("hurry").unwrap_err().to_string(),
        "expected pause, unpause, limit <MB/s>, or copies <1 to 4>"
    );
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn asks_to_be_woken_once_and_again_when_it_was() {
    let sim = disks();
    let due = sim.now().after(SECOND);
    let (_device, open) = open(&sim, "0 2000 mirror disk 3 log 64 nosync 2 a 0 b 0");
    sim.complete_all();
    assert_eq!(sim.next_wake(), Some(due));
    for _ in 0..10 {
        sim.read(&open, 0, 1);
    }
    sim.complete_all();
    assert_eq!(sim.wakes_asked(), 1);
    sim.advance(SECOND);
    assert!(sim.pending().iter().all(|pending| pending.op == BioOp::Flush));
    sim.write(&open, 0, &[1; 512]);
    sim.complete_all();
    assert_eq!(sim.next_wake(), Some(due.after(SECOND)), "though it was woken at this very moment");
}

#[test]
fn asks_to_be_woken_sooner_than_it_had_asked() {
    let sim = disks();
    let (device, _open) = open(&sim, "0 2000 mirror disk 2 log 64 2 a 0 b 0");
    say(&device, "limit 1").unwrap();
    sim.complete_all();
    let wake = sim.next_wake().unwrap();
    assert!(wake > sim.now() && wake < sim.now().after(SECOND), "{wake:?}");
}
