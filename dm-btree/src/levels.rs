//! Where the levels of a tree begin: all there is of its structure.

use crate::{BuildError, Key};

/// Levels between the root and the leaves. Nine of them reach past 2^32 nodes.
const MIDDLE: usize = 9;

/// How many nodes a wide root has.
pub(crate) const WIDE: usize = 4;

/// The levels of one tree, root first, leaves last; nodes are numbered from the root's first on.
///
/// Below the root, child k of node n of a level is node n(K+1)+k of the level below. With nodes
/// numbered through all levels that is n(K+1)+k+s, where s is a constant of the level: its *step*.
/// Numbers and steps wrap at 32 bits.
///
/// The root is one node, or [`WIDE`] nodes where one would not do: its cache lines are in use all the
/// time, and a level less is worth more than three lines more. Its child k is node k of the level below.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Levels {
    /// The step of each level between the root and the leaves.
    pub(crate) steps: [u32; MIDDLE],
    /// How many levels there are above the leaves.
    pub(crate) height: u32,
    /// How many nodes the root has; 0 in a tree without keys.
    pub(crate) root: u32,
    /// The number of the first leaf; 0 if the root is all there is.
    pub(crate) leaves: u32,
}

impl Levels {
    /// Lays out a tree for `keys` keys. Gives the levels and how many nodes it takes.
    #[expect(clippy::cast_possible_truncation, reason = "constants of at most two digits")]
    pub(crate) fn lay_out<K: Key>(keys: usize) -> Result<(Levels, usize), BuildError> {
        let too_many = BuildError::TooMany { keys };
        let mut levels = Levels::default();
        let leaves = keys.div_ceil(K::PER_NODE);
        if leaves <= WIDE {
            levels.root = [0, 1].get(leaves).copied().unwrap_or(WIDE as u32);
            return Ok((levels, levels.root as usize));
        }
        // The widths of the levels below the root, the leaves first.
        let mut widths = [0_u32; MIDDLE + 1];
        let mut width = leaves;
        let mut total = 0_usize;
        loop {
            let place = widths.get_mut(levels.height as usize).ok_or(too_many)?;
            *place = u32::try_from(width).map_err(|_| too_many)?;
            levels.height = levels.height.saturating_add(1);
            total = total.checked_add(width).ok_or(too_many)?;
            if width <= WIDE.saturating_mul(K::PER_NODE).saturating_add(1) {
                break;
            }
            width = width.div_ceil(K::CHILDREN);
        }
        levels.root = if width <= K::CHILDREN { 1 } else { WIDE as u32 };
        total = total.checked_add(levels.root as usize).ok_or(too_many)?;
        u32::try_from(total).map_err(|_| too_many)?;

        let mut base = levels.root;
        let middle = widths.iter().take(levels.height as usize).skip(1).rev();
        for (step, width) in levels.steps.iter_mut().zip(middle) {
            let below = base.saturating_add(*width);
            *step = below.wrapping_sub(base.wrapping_mul(K::CHILDREN as u32));
            base = below;
        }
        levels.leaves = base;
        Ok((levels, total))
    }

    /// The step of each level between the root and the leaves, from the root down.
    #[inline(always)]
    pub(crate) fn steps(&self) -> impl Iterator<Item = u32> {
        self.steps.into_iter().take((self.height as usize).saturating_sub(1))
    }
}
