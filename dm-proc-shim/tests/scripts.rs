//! The scripts that every surface passes, on sessions.

use dm_proc_shim::testing::{DEVICE_SECTORS, Proc, SCRIPTS, Sessions, Surface, run};
use dm_sim::Sim;

const DISKS: [&str; 3] = ["disk-a", "1:0", "third"];

fn sim() -> Sim {
    let sim = Sim::new();
    for name in DISKS {
        sim.add_disk(name, DEVICE_SECTORS);
    }
    sim
}

fn run_all(surface: &mut dyn Surface) {
    for (name, script) in SCRIPTS {
        run(script, surface).unwrap_or_else(|failure| panic!("{name}.script, {failure}"));
    }
}

#[test]
fn on_a_file_for_each_thing() {
    let sim = sim();
    run_all(&mut Sessions::new(sim.mapper(), &DISKS, usize::MAX));
}

#[test]
fn on_one_file_for_a_device() {
    let sim = sim();
    run_all(&mut Proc(Sessions::new(sim.mapper(), &DISKS, usize::MAX)));
}

#[test]
fn however_what_is_written_is_cut() {
    for piece in [1, 2, 3, 7, 64] {
        let sim = sim();
        run_all(&mut Sessions::new(sim.mapper(), &DISKS, piece));
    }
}
