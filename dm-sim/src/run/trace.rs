//! What a run did, step by step, and how much of everything.

use std::fmt;

use crate::DiskCounts;

/// The steps of a run in words, if somebody wants to read them.
pub(super) struct Trace {
    pub(super) lines: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn add(&mut self, step: u64, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{step:>6} {}", line()));
        }
    }
}

/// How much happened in a run, or in many.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Steps of the scheduler.
    pub steps: u64,
    /// Reads of the mapped device.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
    /// Discards and writes of zeros.
    pub discards: u64,
    /// Flushes.
    pub flushes: u64,
    /// Requests that failed.
    pub failed: u64,
    /// What disks were asked for, and what went wrong there.
    pub disks: DiskCounts,
    /// Faults put into disks.
    pub faults: u64,
    /// How often a disk went away.
    pub departures: u64,
    /// How often a disk let requests wait.
    pub stalls: u64,
    /// Power cuts.
    pub cuts: u64,
    /// Suspends.
    pub suspends: u64,
    /// Tables bound while requests were under way.
    pub loads: u64,
    /// Among them, tables that were bound because all copies were in sync.
    pub moves: u64,
    /// Times the clock was moved.
    pub clock: u64,
}

impl Tally {
    /// Adds what another run did.
    pub fn add(&mut self, other: &Tally) {
        self.steps += other.steps;
        self.reads += other.reads;
        self.writes += other.writes;
        self.discards += other.discards;
        self.flushes += other.flushes;
        self.failed += other.failed;
        self.add_disk(&other.disks);
        self.faults += other.faults;
        self.departures += other.departures;
        self.stalls += other.stalls;
        self.cuts += other.cuts;
        self.suspends += other.suspends;
        self.loads += other.loads;
        self.moves += other.moves;
        self.clock += other.clock;
    }

    /// Adds what a disk did.
    pub(super) fn add_disk(&mut self, disk: &DiskCounts) {
        self.disks.reads += disk.reads;
        self.disks.writes += disk.writes;
        self.disks.flushes += disk.flushes;
        self.disks.errors += disk.errors;
        self.disks.torn += disk.torn;
        self.disks.lost += disk.lost;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { steps, reads, writes, discards, flushes, failed, disks, clock, .. } = self;
        let requests = reads + writes + discards + flushes;
        writeln!(f, "{steps} steps, {clock} of them of the clock")?;
        writeln!(
            f,
            "{requests} requests: {reads} reads, {writes} writes, {discards} discards and zeros, \
             {flushes} flushes; {failed} failed"
        )?;
        writeln!(
            f,
            "on disks: {} reads, {} writes, {} flushes, {} errors, {} torn writes, \
             {} sectors lost",
            disks.reads, disks.writes, disks.flushes, disks.errors, disks.torn, disks.lost
        )?;
        let Tally { faults, departures, stalls, cuts, suspends, loads, moves, .. } = self;
        let all = faults + departures + stalls + cuts;
        write!(
            f,
            "{all} faults: {faults} of requests, {departures} disks gone, {stalls} stalls, \
             {cuts} power cuts\n{suspends} suspends, {loads} tables bound under way, \
             {moves} of them once copies were in sync"
        )
    }
}
