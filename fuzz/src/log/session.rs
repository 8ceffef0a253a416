//! The life of a mirror from when it is resumed, and what it must keep to.

use std::ops::Range;

use dm_targets::{BioOp, Job, JobData, Op};

use super::decode::{Belief, Decoded, Start, decode};
use super::disks::{Disks, NAMES, REGION};
use super::mirror::{Mirror, Touched};

/// A request that somebody has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) place: u8,
    pub(super) write: bool,
}

pub(super) struct Session<'d> {
    disks: &'d mut Disks,
    mirror: Mirror,
    start: Start,
    /// What the log says; nothing, if that cannot be read.
    belief: Option<Belief>,
    /// The disks as they were.
    before: Disks,
    /// Sectors that are in sync by the log, and so are nobody's business until they are written.
    trusted: Vec<bool>,
    /// What all others read as.
    truth: Vec<u8>,
    /// The sectors of the request in hand, and what is written there.
    in_hand: Option<(Range<usize>, Option<u8>)>,
    log_writes: u64,
}

impl Session<'_> {
    pub(super) fn begin(disks: &mut Disks, start: Start) -> Session<'_> {
        let belief = disks.believe(start);
        let mut mirror = Mirror::load(disks, &disks.table(start));
        mirror.resume();
        let region = |sector: usize| sector / REGION as usize;
        let is_trusted = |sector| belief.as_ref().is_some_and(|b| b.in_sync[region(sector)]);
        let trusted = (0..disks.sectors()).map(is_trusted).collect();
        let truth = disks.legs[belief.as_ref().map_or(0, |belief| belief.source)].clone();
        let (before, in_hand) = (disks.clone(), None);
        let log_writes = 0;
        Session { disks, mirror, start, belief, before, trusted, truth, in_hand, log_writes }
    }

    /// Fulfils wishes, and goes on until there is nothing left to do; or until the power is cut,
    /// after so many jobs.
    pub(super) fn run(mut self, wishes: &[Wish], cut: usize) {
        let mut wishes = wishes.iter();
        let mut loaded = false;
        for done in 0.. {
            assert!(done < 1_000_000, "it does not come to rest");
            let read = |job: &Job| job.op == BioOp::Data(Op::Read);
            let is_log = |job: &Job| matches!(self.mirror.touched(job), Touched::Log);
            if !loaded && !self.mirror.jobs.iter().any(|job| read(job) && is_log(job)) {
                loaded = true;
                self.check_loaded();
            }
            self.check_marks();
            if done >= cut {
                return self.check_moment();
            }
            if self.in_hand.is_none()
                && let Some(wish) = wishes.next()
            {
                self.begin_request(*wish);
            } else if self.in_hand.is_some() && self.mirror.ended.is_some() {
                self.end_request();
            } else if done % 8 == 7 && done < 200 && self.mirror.wait() {
                // Marks are cleared even while something is going on.
            } else if !self.mirror.jobs.is_empty() {
                self.complete(done * 3 % self.mirror.jobs.len());
            } else if !self.mirror.wait() {
                break;
            }
        }
        assert!(self.in_hand.is_none(), "a request is lost");
        self.check_end();
        self.mirror.suspend();
        while !self.mirror.jobs.is_empty() {
            self.complete(0);
        }
        assert!(self.mirror.is_quiet());
        self.check_end();
    }

    fn begin_request(&mut self, Wish { place, write }: Wish) {
        let at = usize::from(place) * self.disks.sectors() / 256;
        let region_end = (at / REGION as usize + 1) * REGION as usize;
        let end = (at + 1 + usize::from(place % 5)).min(region_end).min(self.disks.sectors());
        let fill = write.then(|| self.disks.next_fill());
        self.in_hand = Some((at..end, fill));
        let op = if write { Op::Write } else { Op::Read };
        self.mirror.start(op, at as u64, vec![fill.unwrap_or(0xee); end - at]);
    }

    fn end_request(&mut self) {
        let ended = self.mirror.ended.take().expect("it has ended");
        let (range, fill) = self.in_hand.take().expect("there is one");
        if self.belief.is_none() {
            return assert!(ended.is_err(), "it is not known which leg is right");
        }
        assert_eq!(ended, Ok(()));
        for (sector, &read) in range.zip(&self.mirror.data) {
            match fill {
                Some(fill) => (self.trusted[sector], self.truth[sector]) = (false, fill),
                None if self.trusted[sector] => {
                    assert!(self.disks.legs.iter().any(|leg| leg[sector] == read));
                }
                None => assert_eq!(read, self.truth[sector], "sector {sector}"),
            }
        }
    }

    fn complete(&mut self, n: usize) {
        let job = self.mirror.complete(n, self.disks);
        let changes = job.op == BioOp::Data(Op::Write);
        if changes && matches!(self.mirror.touched(&job), Touched::Log) {
            self.log_writes += 1;
            // Large mirrors write it often.
            if self.log_writes < 8 || self.log_writes.is_power_of_two() {
                self.check_moment();
            }
        }
    }

    /// It was read, and nothing has happened yet.
    fn check_loaded(&self) {
        let Some(belief) = &self.belief else { return };
        let in_sync = belief.in_sync.iter().filter(|in_sync| **in_sync).count();
        self.check_status(in_sync, 'A');
    }

    fn check_status(&self, in_sync: usize, log: char) {
        let legs = self.disks.legs.len();
        let (names, regions) = (NAMES[..legs].join(" "), self.disks.regions);
        let letters = &"AAA"[..legs];
        let expected = format!("{legs} {names} {in_sync}/{regions} 1 {letters} 3 disk log {log}");
        assert_eq!(self.mirror.status(), expected);
    }

    /// No leg is about to be written for somebody while the log calls the region clean.
    fn check_marks(&self) {
        let jobs = self.mirror.jobs.iter();
        for job in jobs.filter(|job| matches!(job.data, JobData::Request(_))) {
            let Touched::Leg(_, range) = self.mirror.touched(job) else { continue };
            if job.op == BioOp::Data(Op::Write) {
                match decode(&self.disks.log, self.disks.regions) {
                    Decoded::Log { for_regions, in_sync, .. } => {
                        assert_eq!(for_regions, self.disks.regions);
                        assert!(!in_sync[range.start / REGION as usize], "no mark");
                    }
                    other => panic!("{other:?} when a leg is written"),
                }
            }
        }
    }

    /// Whoever loads the log now is told the truth.
    fn check_moment(&self) {
        if self.start == Start::Forced && self.log_writes == 0 {
            // It still says what is not to be believed.
            return;
        }
        let next = self.disks.believe(Start::AsLogged);
        let (Some(next), Some(_)) = (next, &self.belief) else {
            return self.check_untouched();
        };
        for sector in 0..self.disks.sectors() {
            let in_hand = self.in_hand.as_ref().filter(|(range, _)| range.contains(&sector));
            let fill = in_hand.and_then(|(_, fill)| *fill);
            let legs = || self.disks.legs.iter().map(|leg| leg[sector]);
            if !next.in_sync[sector / REGION as usize] {
                let read = self.disks.legs[next.source][sector];
                let good = self.trusted[sector] || read == self.truth[sector] || fill == Some(read);
                assert!(good, "leg {} is believed about sector {sector}", next.source);
            } else if let Some(fill) = fill {
                let written = legs().filter(|leg| *leg == fill).count();
                assert!(written == 0 || written == legs().count(), "sector {sector} is in sync");
            } else {
                let agree = legs().all(|leg| leg == self.truth[sector]);
                assert!(self.trusted[sector] || agree, "sector {sector} is in sync");
            }
        }
    }

    /// The log cannot be read, and so it is not known what to write.
    fn check_untouched(&self) {
        assert!(self.belief.is_none(), "the log cannot be read any more");
        assert!(self.disks.legs == self.before.legs && self.disks.log == self.before.log);
    }

    /// There is nothing left to do.
    fn check_end(&self) {
        if self.belief.is_none() {
            self.check_untouched();
            return self.check_status(0, 'D');
        }
        for sector in 0..self.disks.sectors() {
            for (leg, before) in self.disks.legs.iter().zip(&self.before.legs) {
                let expected = if self.trusted[sector] { before } else { &self.truth };
                assert_eq!(leg[sector], expected[sector], "sector {sector}");
            }
        }
        let (for_regions, stale) = (self.disks.regions, Vec::new());
        let in_sync = vec![true; for_regions as usize];
        let expected = Decoded::Log { for_regions, in_sync, stale };
        assert!(decode(&self.disks.log, for_regions) == expected, "the log reads otherwise");
        self.check_status(for_regions as usize, 'A');
    }
}
