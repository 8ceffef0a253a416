//! Mirrors, by themselves and under a move.

use std::ops::Range;

use dm_core::{Limits, Sectors};

use crate::{Act, Layout, Place, Plan, Promises, Random};

/// Sectors of the mapped device.
const SECTORS: u64 = 96;

/// The shortest transfer that a disk may ask for, and into how many pieces it makes one be split.
const SHORTEST: u64 = 4;
const MOST_PIECES: usize = 32 / SHORTEST as usize;

/// A mirror.
struct Table {
    /// What the log is called, if it is on disk.
    log: Option<&'static str>,
    region: u64,
    /// Legs are said to be equal already, unless the log knows better.
    nosync: bool,
    handle_errors: bool,
    legs: Vec<Leg>,
}

/// Sectors of a disk: where the device's sector 0 lies there, or would.
#[derive(Clone, Copy)]
struct Leg {
    name: &'static str,
    disk: usize,
    start: u64,
}

impl Leg {
    fn linear(self, at: &Range<u64>) -> String {
        format!(
            "{} {} linear {} {}\n",
            at.start,
            at.end - at.start,
            self.name,
            self.start + at.start
        )
    }

    fn place(self, sectors: &Range<u64>) -> Place {
        Place { sectors: sectors.clone(), disk: self.disk, start: self.start + sectors.start }
    }
}

impl Table {
    fn line(&self, at: &Range<u64>) -> String {
        let nosync = if self.nosync { " nosync" } else { "" };
        let words = u8::from(self.nosync);
        let log = match self.log {
            Some(log) => format!("disk {} {log} {}{nosync}", words + 2, self.region),
            None => format!("core {} {}{nosync}", words + 1, self.region),
        };
        let (start, length) = (at.start, at.end - at.start);
        let mut line = format!("{start} {length} mirror {log} {}", self.legs.len());
        for Leg { name, start, .. } in &self.legs {
            line += &format!(" {name} {}", start + at.start);
        }
        line + if self.handle_errors { " 1 handle_errors\n" } else { "\n" }
    }

    /// A mirror of the whole device.
    fn layout(&self) -> Layout {
        let whole = 0..SECTORS;
        // Without a log on disk nobody knows after a power cut where legs may differ.
        let anew = self.log.is_none() && self.nosync;
        let after_cut = anew.then(|| Box::new(self.synced().layout()));
        let places = self.legs.iter().map(|leg| leg.place(&whole)).collect();
        Layout { table: self.line(&whole), places, after_cut }
    }

    /// The same, all of it to be copied.
    fn synced(&self) -> Table {
        Table { nosync: false, legs: self.legs.clone(), ..*self }
    }

    fn promises(&self, hides_faults: bool) -> Promises {
        let legs = self.legs.len();
        Promises {
            hides_faults,
            orders_races: true,
            mends_failures: true,
            // A request falls into regions, and each part goes to each leg. Besides there are four
            // copies at once, flushes of all legs, and the log.
            jobs: (
                (40 / self.region as usize + 2) * legs * MOST_PIECES,
                (4 * MOST_PIECES + 1) * legs + 8,
            ),
            buffers: 9 + 4 * self.region,
        }
    }
}

/// A mirror of 2 or 3 legs, with a core or a disk log, with or without `handle_errors`.
///
/// Legs fail, all but one at most, and so does a log on disk at times; power fails; the device is
/// suspended, and gets its table anew.
pub fn mirror(seed: u64) -> Plan {
    let mut random = Random::new(seed);
    let mut plan = Plan::new("mirror", random.number(), SECTORS, "");
    let places = [("a", 0), ("b", 16), ("c", 0)];
    let count = random.between(2, 3) as usize;
    let mut legs = Vec::new();
    for (name, start) in &places[..count] {
        let disk = plan.add_disk(name, SECTORS + start);
        legs.push(Leg { name, disk, start: *start });
    }
    let log_disk = plan.add_disk("log", 16);
    let on_disk = random.coin();
    let table = Table {
        log: on_disk.then_some("log"),
        region: *random.pick(&[8, 16, 32]),
        nosync: random.coin(),
        handle_errors: random.percent(70),
        legs,
    };
    plan.alike = table.nosync;
    plan.layout = table.layout();
    let anew = if on_disk { table.layout() } else { table.synced().layout() };

    // What fails. One leg never does: the first, where that one is believed after a power cut, or
    // where the others have to be made equal to it first.
    let cuts = random.coin();
    let reloads = random.percent(40);
    let first_is_safe = !table.nosync || ((cuts || reloads) && !on_disk);
    let safe = if first_is_safe { 0 } else { random.below(count as u64) as usize };
    let victims: Vec<usize> = (0..count).filter(|leg| *leg != safe).collect();
    let log_fails = on_disk && random.percent(15);
    for _ in 0..random.below(4) {
        let leg = *random.pick(&victims);
        plan.add_fault(leg, &mut random);
    }
    if log_fails {
        plan.add_fault(log_disk, &mut random);
    }
    let hides_faults = table.handle_errors && !log_fails && (safe == 0 || !(cuts || reloads));
    plan.promises = table.promises(hides_faults);

    for _ in 0..if cuts { random.between(1, 4) } else { 0 } {
        plan.add(&mut random, 120, Act::CutPower);
    }
    disturb(plan, &mut random, |plan, random| match random.below(2) {
        0 if reloads => plan.add(random, 200, Act::Load(anew.clone())),
        _ => plan.add_suspend(random),
    })
}

/// A volume that moves from one disk to another through a mirror over both, as pvmove does it: or
/// does not, because the new disk fails, or because the move is called off.
pub fn pvmove(seed: u64) -> Plan {
    let mut random = Random::new(seed);
    let mut plan = Plan::new("move", random.number(), SECTORS, "");
    let source = plan.add_disk("source", SECTORS);
    let destination = plan.add_disk("destination", SECTORS + 8);
    plan.add_disk("log", 16);
    let source = Leg { name: "source", disk: source, start: 0 };
    let destination = Leg { name: "destination", disk: destination, start: 8 };
    // All of it moves, or only a part; this from regions of any size on.
    let part = random.pick(&[0..SECTORS, 32..SECTORS, 32..64]).clone();
    let stays = [0..part.start, part.end..SECTORS];
    let on = |leg: Leg| {
        let mut layout = Layout::default();
        for (leg, at) in [(source, &stays[0]), (leg, &part), (source, &stays[1])] {
            if !at.is_empty() {
                layout.table += &leg.linear(at);
                layout.places.push(leg.place(at));
            }
        }
        layout
    };
    let table = Table {
        log: random.percent(30).then_some("log"),
        region: *random.pick(&[8, 16, 32]),
        nosync: false,
        handle_errors: random.coin(),
        legs: vec![source, destination],
    };
    plan.layout = on(source);
    plan.promises = table.promises(false);

    let line = |at: &Range<u64>| if at.is_empty() { String::new() } else { source.linear(at) };
    let mut both = on(source);
    both.table = line(&stays[0]) + &table.line(&part) + &line(&stays[1]);
    both.places.push(destination.place(&part));
    plan.add(&mut random, 60, Act::Load(both));
    let (cuts, fails) = (random.coin(), random.percent(40));
    let events = random.below(3);
    let events_of = |plan: &mut Plan, random: &mut Random| {
        for _ in 0..events {
            match random.below(4) {
                0 if cuts => plan.add(random, 200, Act::CutPower),
                1 if fails => plan.add_fault(destination.disk, random),
                2 => plan.add_stall(random),
                _ => plan.add_suspend(random),
            }
        }
    };
    events_of(&mut plan, &mut random);
    match random.below(5) {
        0 => plan.add(&mut random, 200, Act::Load(on(source))),
        _ => plan.add(&mut random, 30, Act::LoadWhenSynced(on(destination))),
    }
    events_of(&mut plan, &mut random);
    finish(plan, &mut random)
}

fn disturb(
    mut plan: Plan,
    random: &mut Random,
    mut event: impl FnMut(&mut Plan, &mut Random),
) -> Plan {
    for _ in 0..random.below(5) {
        match random.below(4) {
            0 => plan.add_stall(random),
            1 => add_message(&mut plan, random),
            _ => event(&mut plan, random),
        }
    }
    random.shuffle(&mut plan.controls);
    finish(plan, random)
}

fn finish(mut plan: Plan, random: &mut Random) -> Plan {
    for disk in &mut plan.disks {
        if random.percent(20) {
            let longest = Sectors::new(random.between(SHORTEST, 16));
            disk.limits = Limits { max_transfer: longest, max_discard: longest, ..Limits::NONE };
        }
    }
    let requests = random.between(10, 120) as usize;
    plan.add_requests(requests, random);
    plan.in_flight = random.between(1, 16) as usize;
    for message in ["unpause", "limit 0"] {
        plan.at_end.push(Act::Message(SECTORS / 2, message.to_owned()));
    }
    plan
}

fn add_message(plan: &mut Plan, random: &mut Random) {
    let messages = ["pause", "unpause", "limit 1", "limit 0", "copies 1", "copies 4"];
    let message = *random.pick(&messages);
    plan.add(random, 80, Act::Message(SECTORS / 2, message.to_owned()));
}
