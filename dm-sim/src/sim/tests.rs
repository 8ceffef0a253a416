use super::*;

/// At work, and with jobs at disks that nobody tells to carry them out.
#[test]
fn one_that_is_dropped_closes_its_disks_under_a_mirror_at_work() {
    let sim = Sim::new();
    let disks = ["a", "b", "log"].map(|name| sim.add_disk(name, 2048));
    let device = load(&sim, "foo", "0 2000 mirror disk 2 log 64 2 a 0 b 0");
    let write = sim.write(&device.open().unwrap(), 0, &[1; 512]);
    assert!(!sim.pending().is_empty() && disks.iter().all(|disk| disk.opens() == 1));
    drop((sim, device));
    assert_eq!(write.result().map(|result| result.is_ok()), Some(false));
    assert!(disks.iter().all(|disk| disk.opens() == 0));
}
