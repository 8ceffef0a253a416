//! Whoever takes part: something that finds the line of a sector.

use std::hint::black_box;

/// Finds lines, one at a time or many in a loop of its own.
pub trait Contender {
    /// The number of the line that covers `sector`, which is within the table.
    fn find(&self, sector: u64) -> usize;

    /// The sum of the answers to `sectors`, each on its own.
    fn independent(&self, sectors: &[u64]) -> u64;

    /// The same, where each query waits for the answer before. `mask` is 0, and only we know it.
    fn dependent(&self, sectors: &[u64], mask: u64) -> u64;
}

/// Finds the line of one sector.
pub trait Find {
    /// The number of the line that covers `sector`, which is within the table. Always inlined into the
    /// loop around it, as it would be where requests are mapped.
    fn find(&self, sector: u64) -> usize;
}

/// A contender that finds lines one at a time; the loops are compiled around it.
#[derive(Debug)]
pub struct Each<F>(pub F);

impl<F: Find> Contender for Each<F> {
    fn find(&self, sector: u64) -> usize {
        self.0.find(sector)
    }

    #[inline(never)]
    fn independent(&self, sectors: &[u64]) -> u64 {
        let mut sum = 0;
        for sector in sectors {
            sum += black_box(self.0.find(*sector)) as u64;
        }
        sum
    }

    #[inline(never)]
    fn dependent(&self, sectors: &[u64], mask: u64) -> u64 {
        let (mut sum, mut last) = (0, 0);
        for sector in sectors {
            last = self.0.find(*sector ^ (last & mask)) as u64;
            sum += last;
        }
        sum
    }
}

/// A contender that answers many queries at once.
#[derive(Debug)]
pub struct Batch<F>(pub F);

/// How many queries a batch has: as many requests as a busy host has in hand.
pub const BATCH: usize = 64;

impl<F: Fn(&[u64], &mut [Option<usize>])> Contender for Batch<F> {
    fn find(&self, sector: u64) -> usize {
        let mut out = [None];
        (self.0)(&[sector], &mut out);
        out[0].unwrap_or(usize::MAX)
    }

    #[inline(never)]
    fn independent(&self, sectors: &[u64]) -> u64 {
        let mut out = [None; BATCH];
        let mut sum = 0;
        for batch in sectors.chunks(BATCH) {
            (self.0)(batch, &mut out);
            sum += out[..batch.len()].iter().map(|n| n.unwrap_or(usize::MAX) as u64).sum::<u64>();
        }
        sum
    }

    fn dependent(&self, _: &[u64], _: u64) -> u64 {
        unreachable!("a batch cannot wait for its own answers")
    }
}
