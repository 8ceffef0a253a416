//! Steps of the simulator underneath: disks, devices to be settled, and the clock.

use std::time::Duration;

use dm_core::Time;

use super::Run;

impl Run<'_> {
    /// How many requests wait at disks that would carry them out now.
    pub(super) fn ready_count(&self) -> usize {
        let state = self.sim.host().state.lock();
        state.waiting.iter().filter(|waiting| waiting.is_ready(state.now)).count()
    }

    /// Whether a device waits to be settled.
    pub(super) fn is_notified(&self) -> bool {
        !self.sim.host().state.lock().notified.is_empty()
    }

    /// The next moment at which something happens by itself.
    pub(super) fn next_moment(&self) -> Option<Time> {
        let state = self.sim.host().state.lock();
        let stalls = state.waiting.iter().map(|waiting| waiting.disk.stalled_until());
        let stalls = stalls.filter(|until| *until > state.now);
        stalls.chain(state.wakes.iter().map(|(at, _)| *at)).min()
    }

    /// One of the requests that a disk would carry out now, by its place among all.
    fn pick_ready(&mut self) -> Option<usize> {
        let chosen = self.random.below(self.ready_count() as u64) as usize;
        let state = self.sim.host().state.lock();
        let ready = state.waiting.iter().enumerate().filter(|(_, w)| w.is_ready(state.now));
        ready.map(|(n, _)| n).nth(chosen)
    }

    pub(super) fn carry_out(&mut self) {
        let Some(n) = self.pick_ready() else {
            return;
        };
        if self.trace.lines.is_some() {
            let pending = self.sim.pending().swap_remove(n);
            self.trace.add(self.tally.steps, || format!("disk carries out {pending}"));
        }
        self.sim.carry_out(n);
    }

    /// Some sectors of a write get there before it completes.
    pub(super) fn tear(&mut self) {
        let Some(n) = self.pick_ready() else {
            return;
        };
        let state = self.sim.host().state.lock();
        let waiting = &state.waiting[n];
        if waiting.is_write() {
            let what = || format!("disk carries out parts of {}", waiting.describe());
            self.trace.add(self.tally.steps, what);
            waiting.disk.carry_out_some(&waiting.bio);
        }
    }

    pub(super) fn settle(&mut self) {
        self.trace.add(self.tally.steps, || "the device is settled".to_owned());
        self.sim.settle_one();
    }

    pub(super) fn move_clock(&mut self) {
        let Some(next) = self.next_moment() else {
            return;
        };
        // Timers go off late at times.
        let late = if self.random.coin() { self.random.below(5_000_000) } else { 0 };
        let now = next.after(Duration::from_nanos(late));
        self.tally.clock += 1;
        self.sim.advance_to(now);
        let shown = self.sim.now().nanos();
        self.trace.add(self.tally.steps, || format!("it is {shown} ns"));
    }
}
