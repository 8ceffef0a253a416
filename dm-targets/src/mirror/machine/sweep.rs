//! Tidying up: legs are flushed, and the marks of regions that nobody writes any more are cleared.

use core::time::Duration;

use dm_table::{Sector, Sectors};

use super::super::legs::{Fan, LegSet};
use super::super::shared::Letter;
use super::{FLUSH_BUFFER, MirrorMachine, Mode, Part, job};
use crate::{Action, BioOp, IoError, Job, JobData, Time};

/// How long marks are left for the next write to the same region.
const DELAY: Duration = Duration::from_secs(1);

/// How long legs that did not flush are left alone: their regions are copied again, for as long as it
/// takes, and that is not to become all that is done.
const RETRY: Duration = Duration::from_secs(60);

/// How many words of marks are cleared at a time, for so long as no lock need be held longer.
const WORDS: u64 = 4096;

#[derive(Default)]
pub(super) struct Sweep {
    step: Step,
    /// When the next one is due.
    due: Option<Time>,
    /// Whether legs were written since they were last flushed.
    wrote: bool,
    /// Before it is suspended, one last time.
    last: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Step {
    #[default]
    Idle,
    /// Legs are flushed. `good` were good before.
    Flush { fan: Fan, good: LegSet },
    /// Marks are cleared, from this word on.
    Clear { word: u64, good: LegSet },
}

impl Sweep {
    /// There may be marks to clear.
    pub(super) fn want(&mut self, now: Time) {
        self.due.get_or_insert(now.after(DELAY));
    }

    /// Something was written.
    pub(super) fn wrote(&mut self, now: Time) {
        self.wrote = true;
        self.want(now);
    }

    pub(super) fn want_last(&mut self) {
        self.last = true;
    }

    /// Whether the last one has been.
    pub(super) fn is_over(&self) -> bool {
        self.step == Step::Idle && !self.last && !self.wrote
    }
}

impl MirrorMachine {
    pub(super) fn poll_sweep(&mut self, now: Time) -> Option<Action> {
        // First, since the next sweep may be due as soon as this one has ended.
        if let Step::Clear { word, good } = self.sweep.step {
            self.clear(word, good, now);
        }
        if self.sweep.step == Step::Idle && self.is_time_to_sweep(now) {
            self.sweep.due = None;
            self.sweep.wrote = false;
            self.sweep.last = false;
            self.touched.fill(false);
            self.touch_written();
            let (fan, good) = (Fan::new(self.legs.alive()), self.legs.good());
            self.sweep.step = Step::Flush { fan, good };
        }
        match self.sweep.step {
            Step::Flush { mut fan, good } => {
                let leg = fan.send()?;
                self.sweep.step = Step::Flush { fan, good };
                let (device, _) = self.legs.place(leg, Sector::ZERO)?;
                Some(Action::Start(Job {
                    id: job(Part::Sweep, leg, 0),
                    data: JobData::Buffer(FLUSH_BUFFER),
                    op: BioOp::Flush,
                    fua: false,
                    device,
                    sector: Sector::ZERO,
                    sectors: Sectors::ZERO,
                }))
            }
            Step::Clear { .. } | Step::Idle => None,
        }
    }

    /// When there is something to tidy up.
    pub(super) fn sweep_timeout(&self) -> Option<Time> {
        match (self.mode, self.sweep.step) {
            (Mode::Running | Mode::Stopping, Step::Clear { .. }) => Some(Time::default()),
            (Mode::Running, Step::Idle) if self.has_working_log() => self.sweep.due,
            _ => None,
        }
    }

    fn has_working_log(&self) -> bool {
        self.log.as_ref().is_some_and(|log| !log.has_failed())
    }

    fn is_time_to_sweep(&self, now: Time) -> bool {
        match self.mode {
            Mode::Running => self.has_working_log() && self.sweep.due.is_some_and(|due| due <= now),
            Mode::Stopping => {
                let wanted = self.sweep.last || self.sweep.wrote;
                wanted && !self.requests_in_hand() && self.copying.is_idle()
            }
            Mode::Stopped | Mode::Loading | Mode::Blind => false,
        }
    }

    /// Legs have flushed, or failed to.
    pub(super) fn sweep_done(&mut self, leg: u8, result: Result<(), IoError>, now: Time) {
        let Step::Flush { mut fan, good } = self.sweep.step else {
            return;
        };
        fan.ended(leg, result.is_err());
        self.sweep.step = Step::Flush { fan, good };
        let Some(failed) = fan.over() else {
            return;
        };
        self.sweep.step = Step::Idle;
        if failed != 0 {
            self.lose(failed, Letter::Dead);
            self.forget_unflushed();
            self.sweep.due = Some(now.after(RETRY));
        } else if self.has_working_log() {
            self.sweep.step = Step::Clear { word: 0, good };
        }
    }

    /// Clears the marks of regions that are in sync, and were not written since the flush began.
    fn clear(&mut self, word: u64, good: LegSet, now: Time) {
        let Some(log) = &mut self.log else {
            return;
        };
        let end = self.in_sync.len().div_ceil(64);
        let next = word.saturating_add(WORDS).min(end);
        for n in word..next {
            log.clear(n, self.in_sync.word(n) & !self.touched.word(n));
        }
        if next < end {
            self.sweep.step = Step::Clear { word: next, good };
            return;
        }
        self.sweep.step = Step::Idle;
        // Legs that were good when they were flushed hold everything for good, and may be believed.
        let flushed = if self.equal.all_ones() { good & self.legs.good() } else { 0 };
        let named = self.legs.named() & !(flushed & !self.legs.to_name());
        log.set_stale(self.legs.name(named));
        if self.sweep.due.is_none() && self.has_marks() {
            // Their regions were written in the meantime.
            self.sweep.due = Some(now.after(DELAY));
        }
    }

    fn has_marks(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.regions().ones() < self.in_sync.ones())
    }
}

#[cfg(test)]
mod tests;
