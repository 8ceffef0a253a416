//! Where the levels of a tree begin: all there is of its structure.

use crate::{BuildError, Key};

/// Levels above the leaves. Eleven of them reach 9^11 leaves of 64-bit keys, past 2^32 nodes.
const UPPER: usize = 11;

/// The levels of one tree, root first, leaves last; nodes are numbered from the root, which is 0.
///
/// Child k of node n is node n(K+1)+k of the level below. With nodes numbered through all levels that
/// is n(K+1)+k+s, where s is a constant of the level: its *step*. Numbers and steps wrap at 32 bits.
/// The root's step is 1, and is left out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Levels {
    /// The step of each level between the root and the leaves.
    pub(crate) steps: [u32; UPPER - 1],
    /// How many levels there are above the leaves.
    pub(crate) height: u32,
    /// The number of the first leaf.
    pub(crate) leaves: u32,
}

impl Levels {
    /// Lays out a tree for `keys` keys. Gives the levels and how many nodes it takes.
    pub(crate) fn lay_out<K: Key>(keys: usize) -> Result<(Levels, usize), BuildError> {
        let too_many = BuildError::TooMany { keys };
        let number = |n: usize| u32::try_from(n).map_err(|_| too_many);
        let mut widths = [0_usize; UPPER];
        let mut levels = Levels::default();
        let mut width = keys.div_ceil(K::PER_NODE);
        let mut nodes = width;
        while width > 1 {
            width = width.div_ceil(K::CHILDREN);
            *widths.get_mut(levels.height as usize).ok_or(too_many)? = width;
            levels.height = levels.height.saturating_add(1);
            nodes = nodes.checked_add(width).ok_or(too_many)?;
        }
        number(nodes)?;
        // The widths from the root down; the root itself is one wide.
        let mut base = u32::from(levels.height > 0);
        let middle = widths.iter().take(levels.height as usize).rev().skip(1);
        for (step, width) in levels.steps.iter_mut().zip(middle) {
            let below = base.saturating_add(number(*width)?);
            *step = below.wrapping_sub(base.wrapping_mul(K::CHILDREN as u32));
            base = below;
        }
        levels.leaves = base;
        Ok((levels, nodes))
    }

    /// The step of each level above the leaves, the root's first.
    #[inline(always)]
    pub(crate) fn steps(&self) -> impl Iterator<Item = u32> {
        [1].into_iter().chain(self.steps).take(self.height as usize)
    }
}
