//! Counters that one thread adds to, and any may read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use dm_core::Bio;

use super::{Figures, is_read};
use crate::UserBio;

/// The counters of one front end's connection, a set for each line.
pub(super) struct Block {
    starts: Box<[u64]>,
    /// One a line, or one for the whole table where its lines are not counted.
    lines: Box<[Counts]>,
}

#[derive(Default)]
#[repr(align(64))]
struct Counts {
    reads: AtomicU64,
    writes: AtomicU64,
    others: AtomicU64,
    sectors_read: AtomicU64,
    sectors_written: AtomicU64,
    errors: AtomicU64,
    begun: AtomicU64,
    nanoseconds: AtomicU64,
    latency: [AtomicU64; BUCKETS],
}

/// From 2 microseconds to 2^20, about a second, and one for what takes longer.
pub(super) const BUCKETS: usize = 21;

impl Block {
    pub(super) fn new(starts: Box<[u64]>) -> Block {
        let lines = (0..starts.len().max(1)).map(|_| Counts::default()).collect();
        Block { starts, lines }
    }

    /// Where the lines begin.
    pub(super) fn starts(&self) -> &[u64] {
        &self.starts
    }

    /// What was counted, a line each.
    pub(super) fn figures(&self) -> Vec<Figures> {
        self.lines.iter().map(Counts::figures).collect()
    }
}

impl Counts {
    fn figures(&self) -> Figures {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut figures = Figures {
            reads: load(&self.reads),
            writes: load(&self.writes),
            others: load(&self.others),
            sectors_read: load(&self.sectors_read),
            sectors_written: load(&self.sectors_written),
            errors: load(&self.errors),
            in_flight: 0,
            nanoseconds: load(&self.nanoseconds),
            latency: self.latency.iter().map(load).collect(),
        };
        // What ends meanwhile may have been counted as begun a little later.
        figures.in_flight = load(&self.begun).saturating_sub(figures.requests());
        figures
    }
}

/// A request that was counted as begun, and when.
pub(crate) struct Counted {
    block: Arc<Block>,
    line: usize,
    read: Option<bool>,
    sectors: u64,
    begun: Instant,
}

impl Counted {
    #[inline]
    pub(super) fn new(block: &Arc<Block>, bio: &UserBio, begun: Instant) -> Counted {
        let sector = bio.sector().get();
        let line = match block.lines.len() {
            1 => 0,
            _ => block.starts.partition_point(|&start| start <= sector).saturating_sub(1),
        };
        let (read, sectors) = (is_read(bio.op()), bio.sectors().get());
        let counted = Counted { block: block.clone(), line, read, sectors, begun };
        if let Some(counts) = counted.counts() {
            add(&counts.begun, 1);
        }
        counted
    }

    /// Counts it as ended.
    #[inline]
    pub(crate) fn end(self, is_error: bool) {
        let Some(counts) = self.counts() else {
            return;
        };
        let (number, sectors) = match self.read {
            Some(true) => (&counts.reads, Some(&counts.sectors_read)),
            Some(false) => (&counts.writes, Some(&counts.sectors_written)),
            None => (&counts.others, None),
        };
        let nanoseconds = self.begun.elapsed().as_nanos() as u64;
        let bucket = (nanoseconds / 1000).max(1).ilog2() as usize;
        if let Some(sectors) = sectors {
            add(sectors, self.sectors);
        }
        add(&counts.errors, u64::from(is_error));
        add(&counts.nanoseconds, nanoseconds);
        add(counts.latency.get(bucket).unwrap_or(&counts.latency[BUCKETS - 1]), 1);
        add(number, 1);
    }

    fn counts(&self) -> Option<&Counts> {
        self.block.lines.get(self.line)
    }
}

/// Requests may end on any thread, so it must be atomic; as long as they end where they began, the
/// cache line stays there.
fn add(counter: &AtomicU64, more: u64) {
    if more > 0 {
        counter.fetch_add(more, Ordering::Relaxed);
    }
}
