//! Integer registers only.
//!
//! A node is searched in two rounds, so that it takes 4 comparisons instead of 8, or 7 instead of 16.
//! The second round depends on the first, which also keeps a compiler from using vector registers.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "counts of at most 64 keys, and constant indices into arrays"
)]

use crate::levels::WIDE;
use crate::search::{self, Below};
use crate::{Key, Node};

#[derive(Clone, Copy, Default)]
pub(super) struct Scalar;

impl<K: Key> Below<K> for Scalar {
    #[inline(always)]
    fn node(self, node: &Node<K>, key: K) -> u32 {
        K::below(node, key)
    }

    #[inline(always)]
    fn root(self, root: &[Node<K>; WIDE], key: K) -> u32 {
        search::root_in_two_steps(self, root, key)
    }
}

/// Nine outcomes: one of three thirds, then one of three places in it.
#[inline(always)]
pub(super) fn below64(keys: &[u64; 8], key: u64) -> u32 {
    let third = 3 * (usize::from(keys[2] < key) + usize::from(keys[5] < key));
    let [a, b] = [third, third + 1].map(|n| keys.get(n).is_some_and(|k| *k < key));
    third as u32 + u32::from(a) + u32::from(b)
}

/// Seventeen outcomes: one of four quarters, then one of four places in it; and above them all.
#[inline(always)]
pub(super) fn below32(keys: &[u32; 16], key: u32) -> u32 {
    let quarter =
        usize::from(keys[3] < key) + usize::from(keys[7] < key) + usize::from(keys[11] < key);
    let quarter = 4 * quarter;
    let [a, b, c] =
        [quarter, quarter + 1, quarter + 2].map(|n| keys.get(n).is_some_and(|k| *k < key));
    quarter as u32 + u32::from(a) + u32::from(b) + u32::from(c) + u32::from(keys[15] < key)
}
