//! A tree of 32-bit keys for tables of any length, where lines are aligned.

use alloc::vec::Vec;

use crate::scale::Scale;
use crate::{BTree32, BuildError, Instructions, Node, SectorIndex};

/// How many sectors are made shorter at a time for a batch.
const CHUNK: usize = 64;

/// A tree of 32-bit keys without the low bits that all keys have in common.
#[derive(Clone, Debug)]
pub(crate) struct Narrow {
    tree: BTree32<Vec<Node<u32>>>,
    scale: Scale,
}

impl Narrow {
    /// Builds the tree of `ends`, which must be strictly increasing.
    pub(crate) fn build(mut ends: Vec<u64>, scale: Scale) -> Result<Narrow, BuildError> {
        for end in &mut ends {
            *end = scale.key(*end).unwrap_or(u64::MAX);
        }
        Ok(Narrow { tree: BTree32::build(&ends, Vec::new())?, scale })
    }

    /// The same index, searched with other instructions.
    pub(crate) fn with(self, instructions: Instructions) -> Narrow {
        Narrow { tree: self.tree.with(instructions), ..self }
    }

    /// The instructions that search it.
    pub(crate) fn instructions(&self) -> Instructions {
        self.tree.instructions()
    }
}

impl SectorIndex for Narrow {
    fn len(&self) -> usize {
        self.tree.len()
    }

    #[inline(always)]
    fn lookup(&self, sector: u64) -> Option<usize> {
        self.tree.lookup(self.scale.key(sector)?)
    }

    fn lookup_batch(&self, sectors: &[u64], out: &mut [Option<usize>]) {
        for (sectors, out) in sectors.chunks(CHUNK).zip(out.chunks_mut(CHUNK)) {
            let mut keys = [0; CHUNK];
            for (key, sector) in keys.iter_mut().zip(sectors) {
                *key = self.scale.key(*sector).unwrap_or(u64::MAX);
            }
            self.tree.lookup_batch(keys.get(..sectors.len()).unwrap_or_default(), out);
        }
    }

    #[inline]
    fn key(&self, n: usize) -> Option<u64> {
        Some(self.scale.end(self.tree.key(n)?))
    }

    fn memory(&self) -> usize {
        self.tree.memory()
    }
}
