//! What is done to the device and to the disks while requests are under way.

use dm_core::{Change, ChangeError, CreateOptions, MappedDevice, Mode, Sector, State};

use super::{Pending, Run};
use crate::{Act, Failure, Layout, Random, Sim, SimHost};

/// The name of the device.
const NAME: &str = "volume";

/// How many steps a table is waited for that is to be loaded once all copies are in sync.
const PATIENCE: u64 = 3_000;

/// What the target says of its copies.
pub(super) struct Condition {
    /// How many regions are in sync, and how many there are.
    pub(super) in_sync: (u64, u64),
    /// A letter for each copy; `A` for one that is well.
    pub(super) letters: String,
}

impl Run<'_> {
    /// Does the next thing on the plan's list.
    pub(super) fn control(&mut self) -> Result<(), Failure> {
        let Some(control) = self.plan.controls.get(self.next_control) else {
            return Ok(());
        };
        if let Act::LoadWhenSynced(_) = control.what
            && !self.may_move()
            && self.tally.steps < self.control_due + PATIENCE
            && self.is_moving()
        {
            return Ok(());
        }
        self.next_control += 1;
        let next = self.plan.controls.get(self.next_control);
        self.control_due = self.tally.steps + next.map_or(0, |next| next.after);
        self.trace.add(self.tally.steps, || control.what.to_string());
        self.act(&control.what)
    }

    /// Whether anything goes on by itself.
    fn is_moving(&self) -> bool {
        self.ready_count() > 0 || self.is_notified() || self.next_moment().is_some()
    }

    pub(super) fn act(&mut self, what: &Act) -> Result<(), Failure> {
        let disks = self.sim.disks();
        match what {
            Act::Fault(disk, fault) => {
                self.disturbed = true;
                self.tally.faults += 1;
                disks[*disk].add_fault(fault.clone());
            }
            Act::Leave(disk) => {
                self.disturbed = true;
                self.tally.departures += 1;
                disks[*disk].set_away(true);
            }
            Act::LoseCache(disk) => {
                disks[*disk].cut_power();
                self.model.lose_caches();
            }
            Act::Stall(disk, wait) => {
                self.tally.stalls += 1;
                disks[*disk].stall(self.sim.now().after(*wait));
            }
            Act::Mend(disk) => disks[*disk].mend(),
            Act::Suspend => {
                self.tally.suspends += 1;
                self.begin_change("a suspend", self.device().suspend())?;
            }
            Act::Resume => self.begin_change("a resume", self.device().resume())?,
            Act::Load(layout) => self.load_under_way(layout)?,
            Act::LoadWhenSynced(layout) if self.may_move() => {
                // It may be in sync no more when all requests have drained.
                self.moving = Some(layout.clone());
                self.begin_change("a suspend", self.device().suspend())?;
            }
            Act::LoadWhenSynced(_) => {}
            Act::Message(sector, words) => self.send(*sector, words),
            Act::CutPower => self.cut_power()?,
        }
        Ok(())
    }

    /// Creates the device, and binds the layout to it.
    pub(super) fn bring_up(&mut self) -> Result<(), Failure> {
        let layout = self.layout.clone();
        let refused = |why: String| Failure::Refused { table: layout.table.clone(), why };
        let name = NAME.parse().map_err(|_| refused("a bad name".into()))?;
        let created = self.sim.mapper().create(name, CreateOptions::default());
        let device = created.map_err(|why| refused(why.to_string()))?;
        self.load(&device, &layout)?;
        let change = device.resume().map_err(|why| refused(why.to_string()))?;
        if !change.is_done() {
            return Err(refused("it is not bound at once".into()));
        }
        self.open = Some(device.open().map_err(|why| refused(why.to_string()))?);
        self.device = Some(device);
        Ok(())
    }

    fn load(&self, device: &MappedDevice<SimHost>, layout: &Layout) -> Result<(), Failure> {
        let (mut errors, table) = (String::new(), layout.table.as_bytes());
        let mut report = |error: dm_core::LoadError<'_>| errors += &format!("{error}; ");
        let loaded = self.sim.mapper().load(device, table, Mode::ReadWrite, &mut report);
        loaded.map_err(|why| Failure::Refused {
            table: layout.table.clone(),
            why: format!("{errors}{why}"),
        })
    }

    fn load_under_way(&mut self, layout: &Layout) -> Result<(), Failure> {
        self.tally.loads += 1;
        let device = self.device();
        self.load(&device, layout)?;
        self.loaded = Some(layout.clone());
        self.begin_change("a new table", device.resume())
    }

    fn begin_change(
        &mut self,
        what: &'static str,
        change: Result<Change<SimHost>, ChangeError>,
    ) -> Result<(), Failure> {
        let table = || self.layout.table.clone();
        let change =
            change.map_err(|why| Failure::Refused { table: table(), why: why.to_string() })?;
        self.change = Some(Pending { change, what, since: self.tally.steps });
        Ok(())
    }

    /// A change has taken place, and what was to come after it is begun.
    pub(super) fn end_change(&mut self) -> Result<(), Failure> {
        let Some(pending) = self.change.take() else {
            return Ok(());
        };
        self.trace.add(self.tally.steps, || format!("{} is over", pending.what));
        self.note_bound();
        let active = self.device().state() == State::Active;
        match self.moving.take() {
            Some(layout) if !active && self.may_move() => {
                self.tally.moves += 1;
                self.trace.add(self.tally.steps, || format!("still in sync: {}", layout.table));
                self.load_under_way(&layout)
            }
            Some(_) if !active => self.begin_change("a resume", self.device().resume()),
            _ => Ok(()),
        }
    }

    /// What was loaded may be bound by now.
    fn note_bound(&mut self) {
        if self.device().inactive_table().is_none()
            && let Some(layout) = self.loaded.take()
        {
            self.layout = layout;
        }
    }

    pub(super) fn device(&self) -> MappedDevice<SimHost> {
        self.device.clone().expect("a device that was brought up")
    }

    fn send(&mut self, sector: u64, words: &str) {
        // What comes of it is up to the target.
        let table = format!("0 1 message {words}");
        let Some(Ok(line)) = dm_core::table_text::parse(table.as_bytes()).next() else {
            return;
        };
        let answer = self.device().message(Sector::new(sector), line.args());
        self.trace.add(self.tally.steps, || match answer {
            Ok(text) => format!("the answer: {}", text.as_str()),
            Err(why) => format!("the message is refused: {why}"),
        });
    }

    /// What the lines of the table say of their copies, if their targets do.
    pub(super) fn condition(&self) -> Option<Condition> {
        let mut status = String::new();
        self.device().table()?.write_status(&mut status).ok()?;
        status.lines().filter_map(Condition::of).reduce(Condition::and)
    }

    pub(super) fn status(&self) -> String {
        let mut status = String::new();
        if let Some(table) = self.device().table() {
            let _ = table.write_status(&mut status);
        }
        status
    }

    pub(super) fn is_synced(&self) -> bool {
        self.condition().is_none_or(|condition| {
            let (done, all) = condition.in_sync;
            done == all && condition.letters.bytes().all(|letter| letter == b'A')
        })
    }

    /// Whether the live table has copies, and all of them are in sync.
    fn may_move(&self) -> bool {
        self.condition().is_some() && self.is_synced()
    }

    fn cut_power(&mut self) -> Result<(), Failure> {
        self.tally.cuts += 1;
        self.note_bound();
        if let Some(other) = self.layout.after_cut.take() {
            self.layout = *other;
        }
        let mut random = self.random.fork();
        self.sim.cut_power(&mut random);
        self.model.cut_power();
        self.in_flight.clear();
        (self.change, self.loaded, self.moving) = (None, None, None);
        self.take_down("the removal, all disks gone")?;
        self.restart(random);
        self.bring_up()
    }

    /// Another host, with the same disks.
    fn restart(&mut self, mut random: Random) {
        let registry = self.plan.registry.try_clone().expect("memory for the target types");
        self.sim = Sim::with(registry, self.sim.disks(), self.sim.now());
        for disk in self.sim.disks() {
            disk.set_random(random.fork());
        }
    }
}

impl Condition {
    fn and(mut self, other: Condition) -> Condition {
        self.in_sync.0 += other.in_sync.0;
        self.in_sync.1 += other.in_sync.1;
        self.letters += &other.letters;
        self
    }

    /// From a line like `0 100 mirror 2 a b 3/4 1 AA 1 core`.
    fn of(line: &str) -> Option<Condition> {
        let mut words = line.split(' ').skip(3);
        let copies: usize = words.next()?.parse().ok()?;
        let (done, all) = words.nth(copies)?.split_once('/')?;
        let in_sync = (done.parse().ok()?, all.parse().ok()?);
        Some(Condition { in_sync, letters: words.nth(1)?.to_owned() })
    }
}
