//! Many requests at once, so that their ways through a large table overlap.

use dm_targets::{BioOp, Target};
use heapless::Vec;

use super::MappedDevice;
use crate::route::{Step, route};
use crate::table::Backing;
use crate::{Bio, Host, Table};

/// How many requests are on their way through the table together: the cache misses of more would
/// not overlap.
const TOGETHER: usize = 16;

/// In a table with fewer lines than this, each request by itself is quicker: see the benchmark `map`.
const LARGE: usize = 65_536;

impl<H: Host> MappedDevice<H> {
    pub(crate) fn submit_all(&self, bios: impl IntoIterator<Item = H::Bio>) {
        let mut bios = bios.into_iter().fuse();
        let Some(first) = bios.next() else {
            return;
        };
        match self.shared.gate.enter(self.shared.host.lane()) {
            Some(table) if table.len() >= LARGE => {
                drop(table);
                let mut bios = core::iter::once(first).chain(bios);
                loop {
                    let together: Vec<H::Bio, TOGETHER> = bios.by_ref().take(TOGETHER).collect();
                    if together.is_empty() {
                        return;
                    }
                    self.submit_together(together);
                }
            }
            Some(table) => route(&*self.shared.host, table, first),
            None => self.submit(first),
        }
        bios.for_each(|bio| self.submit(bio));
    }

    /// First where all of them go, then all of them there.
    fn submit_together(&self, bios: Vec<H::Bio, TOGETHER>) {
        let Some(table) = self.shared.gate.enter(self.shared.host.lane()) else {
            return bios.into_iter().for_each(|bio| self.submit(bio));
        };
        let steps = table.whole_steps(&bios);
        for (mut bio, step) in bios.into_iter().zip(steps) {
            if let Some(Step::To { device, sector, .. }) = step
                && let Backing::Host(device) = &device.backing
            {
                bio.set_sector(sector);
                bio.set_device(device);
                bio.carry(table.pass());
                self.shared.host.submit(bio);
            } else {
                self.submit(bio);
            }
        }
    }
}

impl<H: Host> Table<H> {
    /// What becomes of each request for data, if that is one step for all of its sectors.
    ///
    /// What is far from the processor is fetched for all of them before anything waits for it.
    fn whole_steps(&self, bios: &[H::Bio]) -> Vec<Option<Step<'_, H>>, TOGETHER> {
        let sectors: Vec<u64, TOGETHER> = bios.iter().map(|bio| bio.sector().get()).collect();
        let mut lines = [None; TOGETHER];
        self.index.lookup_batch(&sectors, &mut lines);
        let targets = lines.map(|line| self.targets.get(line?));
        let known = bios.iter().zip(lines).zip(targets);
        known.map(|((bio, line), target)| self.whole_step(bio, line?, &**target?)).collect()
    }

    fn whole_step(&self, bio: &H::Bio, line: usize, target: &dyn Target) -> Option<Step<'_, H>> {
        let BioOp::Data(op) = bio.op() else { return None };
        if self.refuse(op, bio).is_some() {
            return None;
        }
        let (sector, sectors) = (bio.sector(), bio.sectors());
        let step = self.step_in(target, self.range(line)?, op, sector, sectors);
        (step.sectors() >= sectors).then_some(step)
    }
}
