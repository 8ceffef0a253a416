//! 32-bit keys for tables longer than 2^32 sectors, where lines are aligned.
//!
//! Lines of a volume end at multiples of its extents, of 4 MiB by default, and nearly all others at
//! multiples of 4 KiB. So the last sectors of all lines agree in some low bits, which are all ones;
//! comparing without them gives the same answers. With extents of 4 MiB 32 bits reach 2^45 sectors.

use alloc::vec::Vec;

use crate::{BTree32, BuildError, Instructions, Node, SectorIndex};

/// How many sectors are shifted at a time for a batch.
const CHUNK: usize = 64;

/// A tree of 32-bit keys without the low bits that all keys have in common.
#[derive(Clone, Debug)]
pub(crate) struct Narrow {
    tree: BTree32<Vec<Node<u32>>>,
    /// How many low bits are left out; they are ones in each key.
    shift: u32,
}

impl Narrow {
    /// How many low bits must be left out for 32 to do. `None` where not so many are ones in all keys.
    pub(crate) fn shift_for(ends: &[u64]) -> Option<u32> {
        let last = ends.last()?;
        let needed = 32_u32.saturating_sub(last.leading_zeros());
        let common = ends.iter().fold(u64::MAX, |common, end| common & end).trailing_ones();
        (needed <= common).then_some(needed)
    }

    /// Builds the tree of `ends`, which must be strictly increasing, without `shift` low bits.
    pub(crate) fn build(mut ends: Vec<u64>, shift: u32) -> Result<Narrow, BuildError> {
        for end in &mut ends {
            *end = end.wrapping_shr(shift);
        }
        Ok(Narrow { tree: BTree32::build(&ends, Vec::new())?, shift })
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
        self.tree.lookup(sector.wrapping_shr(self.shift))
    }

    fn lookup_batch(&self, sectors: &[u64], out: &mut [Option<usize>]) {
        for (sectors, out) in sectors.chunks(CHUNK).zip(out.chunks_mut(CHUNK)) {
            let mut shifted = [0; CHUNK];
            for (shifted, sector) in shifted.iter_mut().zip(sectors) {
                *shifted = sector.wrapping_shr(self.shift);
            }
            self.tree.lookup_batch(shifted.get(..sectors.len()).unwrap_or_default(), out);
        }
    }

    #[inline]
    fn key(&self, n: usize) -> Option<u64> {
        let key = self.tree.key(n)?;
        Some(key.wrapping_add(1).wrapping_shl(self.shift).wrapping_sub(1))
    }

    fn memory(&self) -> usize {
        self.tree.memory()
    }
}
