//! The end of a run: everything comes to rest, and is compared.

use dm_core::{BioOp, Op, State};

use super::{Run, Tally};
use crate::{Act, Failure, Work};

/// How many steps copies may take to come in sync.
const MOST_SYNC_STEPS: u64 = 100_000;

impl Run<'_> {
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.trace.add(self.tally.steps, || "the end: disks are mended".to_owned());
        for disk in self.sim.disks() {
            disk.mend();
        }
        self.rest()?;
        if self.device().state() != State::Active {
            self.do_now(&Act::Resume)?;
            self.rest()?;
        }
        for what in &self.plan.at_end {
            self.do_now(what)?;
            self.rest()?;
        }
        self.bring_in_sync()?;
        self.do_now(&Act::Suspend)?;
        self.rest()?;
        self.compare_copies()?;
        self.do_now(&Act::Resume)?;
        self.rest()?;
        self.read_everything()?;
        self.take_down("the removal")
    }

    /// Lets everything that is under way come to its end.
    fn rest(&mut self) -> Result<(), Failure> {
        while !self.in_flight.is_empty() || self.change.is_some() {
            if !self.step(false)? {
                break;
            }
        }
        Ok(())
    }

    fn do_now(&mut self, what: &Act) -> Result<(), Failure> {
        self.trace.add(self.tally.steps, || what.to_string());
        let act = self.act(what);
        // What is done for the end's sake does not count.
        self.tally = Tally {
            suspends: self.tally.suspends - u64::from(matches!(what, Act::Suspend)),
            loads: self.tally.loads - u64::from(matches!(what, Act::Load(_))),
            ..self.tally
        };
        act
    }

    /// A copy that failed is only used again when the table is bound anew.
    fn bring_in_sync(&mut self) -> Result<(), Failure> {
        self.do_now(&Act::Suspend)?;
        self.rest()?;
        self.do_now(&Act::Resume)?;
        self.rest()?;
        let begun = self.tally.steps;
        while !self.is_synced() {
            if !self.step(false)? || self.tally.steps - begun > MOST_SYNC_STEPS {
                return Err(Failure::NotSynced { status: self.status() });
            }
        }
        Ok(())
    }

    fn compare_copies(&self) -> Result<(), Failure> {
        let (disks, promises) = (self.sim.disks(), &self.plan.promises);
        for sector in 0..self.plan.sectors {
            let settled =
                self.model.is_settled(sector, promises.orders_races, promises.mends_failures);
            let mut first = None;
            for (copy, place) in self.layout.places.iter().enumerate() {
                let Some(at) = place.of(sector) else {
                    continue;
                };
                let bytes = disks[place.disk].sectors(at, 1);
                let checked = self.model.check(sector, &bytes);
                checked.map_err(|mismatch| Failure::Copy { copy, mismatch })?;
                if settled && first.get_or_insert_with(|| bytes.clone()) != &bytes {
                    return Err(Failure::CopiesDiffer { copy, sector });
                }
            }
        }
        Ok(())
    }

    fn read_everything(&mut self) -> Result<(), Failure> {
        for sector in (0..self.plan.sectors).step_by(32) {
            let sectors = (self.plan.sectors - sector).min(32);
            let work = Work { op: BioOp::Data(Op::Read), fua: false, sector, sectors };
            self.start_work(self.plan.requests.len(), work);
            self.disturbed = false;
            self.rest()?;
        }
        Ok(())
    }

    /// Removes the device, and sees to it that nothing is left behind.
    pub(super) fn take_down(&mut self, what: &'static str) -> Result<(), Failure> {
        self.open = None;
        let Some(device) = self.device.take() else {
            return Ok(());
        };
        let removed = self.sim.mapper().remove(&device);
        let change = removed.map_err(|_| Failure::NotDrained { what })?;
        drop(device);
        for _ in 0..super::MOST_DRAIN_STEPS {
            if change.is_done() {
                break;
            }
            self.tally.steps += 1;
            match () {
                () if self.is_notified() => self.settle(),
                () if self.ready_count() > 0 => self.carry_out(),
                () if self.next_moment().is_some() => self.move_clock(),
                () => return Err(Failure::NotDrained { what }),
            }
        }
        if !change.is_done() {
            return Err(Failure::NotDrained { what });
        }
        drop(change);
        self.sim.settle();
        let (sectors, promised) = (self.sim.buffered_sectors(), 0);
        if sectors > promised {
            return Err(Failure::TooMuchMemory { sectors, promised });
        }
        match self.sim.disks().iter().find(|disk| disk.opens() > 0) {
            Some(disk) => Err(Failure::StillOpen { disk: disk.name().to_owned() }),
            None => Ok(()),
        }
    }

    pub(super) fn count_disks(&mut self) {
        for disk in self.sim.disks() {
            self.tally.add_disk(&disk.counts());
        }
    }
}
