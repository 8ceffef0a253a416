//! Up to 64 keys in the index itself, all in reach at once: most volumes have no more.

use crate::levels::WIDE;
use crate::scale::Scale;
use crate::simd::in_place::Sixteen;
use crate::{Instructions, Key, Node, SectorIndex};

/// Up to 16 keys for each of `NODES` nodes.
#[derive(Clone, Debug)]
pub(crate) struct Flat<const NODES: usize> {
    /// Places behind the last key hold the highest number there is.
    nodes: [Node<u32>; NODES],
    scale: Scale,
    len: usize,
    instructions: Instructions,
}

/// A node: searched in place, without a call.
pub(crate) type Line = Flat<1>;

/// As much as a wide root.
pub(crate) type Root = Flat<WIDE>;

impl<const NODES: usize> Flat<NODES> {
    /// Takes `ends`, which must be strictly increasing. `None` if they are too many or too wide.
    pub(crate) fn build(ends: &[u64]) -> Option<Flat<NODES>> {
        let scale = Scale::to_bits(u32::BITS_COMPARED, ends)?;
        let mut nodes = [Node([u32::HIGHEST; u32::PER_NODE]); NODES];
        let mut places = nodes.iter_mut().flat_map(|node: &mut Node<u32>| &mut node.0);
        for end in ends {
            *places.next()? = u32::of(scale.key(*end)?);
        }
        let instructions = Instructions::best();
        Some(Flat { nodes, scale, len: ends.len(), instructions }.with(instructions))
    }

    /// The same keys, searched with other instructions.
    pub(crate) fn with(self, instructions: Instructions) -> Self {
        let instructions = if NODES == 1 { u32::in_place(instructions) } else { instructions };
        Flat { instructions, ..self }
    }

    /// The instructions that search it.
    pub(crate) fn instructions(&self) -> Instructions {
        self.instructions
    }
}

impl<const NODES: usize> SectorIndex for Flat<NODES> {
    fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn lookup(&self, sector: u64) -> Option<usize> {
        let key = u32::of(self.scale.key(sector)?);
        let below = match self.nodes.first_chunk() {
            Some(root) => self.instructions.below_root(root, key),
            None => u32::below_in_place(&self.nodes.first()?.0, key, self.instructions),
        };
        Some(below as usize)
    }

    #[inline]
    fn key(&self, n: usize) -> Option<u64> {
        let node = self.nodes.get(n / u32::PER_NODE)?;
        let key = node.0.get(n % u32::PER_NODE)?;
        (n < self.len).then(|| self.scale.end(*key))
    }

    fn memory(&self) -> usize {
        0
    }
}
