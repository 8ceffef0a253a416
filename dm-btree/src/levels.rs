//! Where the levels of a tree begin: all there is of its structure.

use crate::{BuildError, Key};

/// Levels above the leaves. Eleven of them reach 9^11 leaves of 64-bit keys, past 2^32 nodes.
const UPPER: usize = 11;

/// The levels of one tree within an array of nodes, root first, leaves last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Levels {
    /// The number of the first node of each level above the leaves.
    upper: [u32; UPPER],
    /// How many of those there are.
    height: u32,
    /// The number of the first leaf.
    leaves: u32,
}

impl Levels {
    /// Lays out a tree for `keys` keys from node number `first` on.
    ///
    /// Gives the levels and the number of the node behind the last one.
    pub(crate) fn lay_out<K: Key>(
        keys: usize,
        first: usize,
    ) -> Result<(Levels, usize), BuildError> {
        let too_many = BuildError::TooMany { keys };
        let mut widths = [0_usize; UPPER];
        let mut height = 0;
        let mut width = keys.div_ceil(K::PER_NODE);
        let leaves = width;
        while width > 1 {
            width = width.div_ceil(K::CHILDREN);
            *widths.get_mut(height).ok_or(too_many)? = width;
            height += 1;
        }
        let mut levels = Levels::default();
        let mut next = first;
        for (base, width) in levels
            .upper
            .iter_mut()
            .zip(widths.iter().take(height).rev())
        {
            *base = u32::try_from(next).map_err(|_| too_many)?;
            levels.height += 1;
            next = next.checked_add(*width).ok_or(too_many)?;
        }
        levels.leaves = u32::try_from(next).map_err(|_| too_many)?;
        let end = next.checked_add(leaves).ok_or(too_many)?;
        u32::try_from(end).map_err(|_| too_many)?;
        Ok((levels, end))
    }

    /// The number of the first node of each level above the leaves, root first.
    #[inline(always)]
    pub(crate) fn upper(&self) -> &[u32] {
        self.upper.get(..self.height as usize).unwrap_or_default()
    }

    /// The number of the first leaf.
    #[inline(always)]
    pub(crate) fn leaves(&self) -> usize {
        self.leaves as usize
    }
}
