//! The tree over keys of one width.

use crate::levels::Levels;
use crate::search::ABREAST;
use crate::simd::Searcher;
use crate::{BuildError, Instructions, Key, Node, SectorIndex, Storage, search};

/// Below this many nodes (256 KiB) a tree stays near the processor, and searching it a sector at a
/// time is quicker than abreast with vector instructions: see the benchmark.
const CACHED: usize = 4096;

/// A tree of keys of one width, in nodes that live in `S`.
#[derive(Clone, Debug)]
pub struct BTree<K: Key, S> {
    nodes: S,
    levels: Levels,
    len: usize,
    searcher: Searcher<K>,
}

/// A tree of 64-bit keys, 8 a cache line.
pub type BTree64<S> = BTree<u64, S>;

/// A tree of 32-bit keys, 16 a cache line.
pub type BTree32<S> = BTree<u32, S>;

impl<K: Key, S: Storage<Node<K>>> BTree<K, S> {
    /// Builds the tree of `keys`, which must be strictly increasing, in `storage`.
    ///
    /// [`nodes_for`](BTree::nodes_for) says how many nodes it takes.
    pub fn build(keys: &[u64], mut storage: S) -> Result<Self, BuildError> {
        check::<K>(keys)?;
        let (levels, needed) = Levels::lay_out::<K>(keys.len())?;
        let nodes = storage.reset(needed, K::FILL)?;
        search::fill(nodes, &levels, keys.len(), |n| {
            keys.get(n).and_then(|key| K::try_from(*key).ok()).unwrap_or(K::MAX)
        });
        Ok(BTree {
            nodes: storage,
            levels,
            len: keys.len(),
            searcher: Instructions::best().search(&levels),
        })
    }

    /// The same tree, searched with other instructions.
    pub fn with(self, instructions: Instructions) -> Self {
        BTree { searcher: instructions.search(&self.levels), ..self }
    }

    /// The instructions that search it.
    pub fn instructions(&self) -> Instructions {
        self.searcher.instructions
    }

    /// How many nodes a tree of `keys` keys takes.
    pub fn nodes_for(keys: usize) -> Result<usize, BuildError> {
        Levels::lay_out::<K>(keys).map(|(_, nodes)| nodes)
    }
}

impl<K: Key, S: Storage<Node<K>>> SectorIndex for BTree<K, S> {
    fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn lookup(&self, sector: u64) -> Option<usize> {
        let key = K::try_from(sector).ok()?;
        let n = self.searcher.search(self.nodes.as_ref(), &self.levels, key);
        (n < self.len).then_some(n)
    }

    fn lookup_batch(&self, sectors: &[u64], out: &mut [Option<usize>]) {
        let len = sectors.len().min(out.len());
        if self.nodes.as_ref().len() < CACHED {
            for (sector, out) in sectors.iter().zip(out) {
                *out = self.lookup(*sector);
            }
            return;
        }
        let (sectors, sectors_left) = sectors.get(..len).unwrap_or_default().as_chunks::<ABREAST>();
        let (out, out_left) = out.get_mut(..len).unwrap_or_default().as_chunks_mut::<ABREAST>();
        for (sectors, out) in sectors.iter().zip(out) {
            let bits = sectors.iter().fold(0, |bits, sector| bits | sector);
            if K::try_from(bits).is_err() {
                *out = sectors.map(|sector| self.lookup(sector));
                continue;
            }
            let keys = sectors.map(|sector| K::try_from(sector).unwrap_or(K::MAX));
            let mut found = [usize::MAX; ABREAST];
            self.instructions().search_all(self.nodes.as_ref(), &self.levels, &keys, &mut found);
            *out = found.map(|n| (n < self.len).then_some(n));
        }
        for (sector, out) in sectors_left.iter().zip(out_left) {
            *out = self.lookup(*sector);
        }
    }

    #[inline]
    #[expect(clippy::arithmetic_side_effects, reason = "a node has at least eight keys")]
    fn key(&self, n: usize) -> Option<u64> {
        let leaf = (self.levels.leaves as usize).checked_add(n / K::PER_NODE)?;
        let node = self.nodes.as_ref().get(leaf)?;
        let key = node.0.as_ref().get(n % K::PER_NODE)?;
        (n < self.len).then_some((*key).into())
    }

    fn memory(&self) -> usize {
        self.nodes.bytes()
    }
}

/// Checks that keys are strictly increasing and fit.
pub(crate) fn check<K: Key>(keys: &[u64]) -> Result<(), BuildError> {
    let mut before = None;
    for (at, key) in keys.iter().enumerate() {
        if before.is_some_and(|before| before >= *key) {
            return Err(BuildError::NotIncreasing { at });
        }
        if K::try_from(*key).is_err() {
            return Err(BuildError::TooWide { at });
        }
        before = Some(*key);
    }
    Ok(())
}
