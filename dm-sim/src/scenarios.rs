//! Plans for the built-in target types: what a seed stands for.

use crate::{Act, Place, Plan, Promises, Random};

mod mirror;

pub use mirror::{mirror, pvmove};

/// The plan of a seed: one of the scenarios of this module, mostly of mirrors.
pub fn any(seed: u64) -> Plan {
    match seed % 10 {
        0 => linear(seed),
        1 => striped(seed),
        2..=6 => mirror(seed),
        _ => pvmove(seed),
    }
}

/// Two disks in a row, which fail, stall, go away, and lose power.
///
/// Whatever a disk does comes through. What was flushed must survive all the same.
pub fn linear(seed: u64) -> Plan {
    let mut random = Random::new(seed);
    let mut plan = Plan::new("linear", random.number(), 96, "0 64 linear a 5\n64 32 linear b 0");
    let (a, b) = (plan.add_disk("a", 80), plan.add_disk("b", 40));
    plan.layout.places = vec![
        Place { sectors: 0..64, disk: a, start: 5 },
        Place { sectors: 64..96, disk: b, start: 0 },
    ];
    disturb(plan, &mut random)
}

/// Stripes over three disks, which fail, stall, go away, and lose power.
pub fn striped(seed: u64) -> Plan {
    let mut random = Random::new(seed);
    let chunk = *random.pick(&[1, 4, 8]);
    let table = format!("0 96 striped 3 {chunk} a 0 b 8 c 0");
    let mut plan = Plan::new("striped", random.number(), 96, &table);
    for name in ["a", "b", "c"] {
        plan.add_disk(name, 40);
    }
    plan.promises = Promises { jobs: (48, 0), ..Promises::STATELESS };
    disturb(plan, &mut random)
}

fn disturb(mut plan: Plan, random: &mut Random) -> Plan {
    let requests = random.between(20, 120) as usize;
    plan.add_requests(requests, random);
    plan.in_flight = random.between(1, 16) as usize;
    for _ in 0..random.below(3) {
        let disk = random.below(plan.disks.len() as u64) as usize;
        plan.add_fault(disk, random);
    }
    for _ in 0..random.below(5) {
        match random.below(5) {
            0 => plan.add_suspend(random),
            1 => plan.add_stall(random),
            2 => {
                let disk = random.below(plan.disks.len() as u64) as usize;
                plan.add(random, 100, Act::Leave(disk));
                plan.add(random, 40, Act::LoseCache(disk));
                plan.add(random, 40, Act::Mend(disk));
            }
            3 => plan.add(random, 150, Act::Load(plan.layout.clone())),
            _ => plan.add(random, 200, Act::CutPower),
        }
    }
    random.shuffle(&mut plan.controls);
    plan
}
