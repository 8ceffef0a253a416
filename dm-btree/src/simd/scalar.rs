//! Integer registers only.
//!
//! A node is searched in two rounds, so that it takes 4 comparisons instead of 8, or 7 instead of 16.
//! The second round depends on the first, which also keeps a compiler from using vector registers.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "counts of at most 64 keys, and constant indices into arrays"
)]

use crate::levels::{Levels, WIDE};
use crate::search::{self, ABREAST, Search, pick};
use crate::{Key, Node};

#[derive(Clone, Copy)]
struct Scalar;

impl<K: Key> search::Below<K> for Scalar {
    #[inline(always)]
    fn node(self, node: &Node<K>, key: K) -> u32 {
        K::below(node, key)
    }

    /// First which node, by its last key; then where in it.
    #[inline(always)]
    fn root(self, root: &[Node<K>; WIDE], key: K) -> u32 {
        let [a, b, c, _] =
            root.each_ref().map(|node| node.0.as_ref().last().is_some_and(|last| *last < key));
        let n = usize::from(a) + usize::from(b) + usize::from(c);
        let within = root.get(n).map_or(0, |node| K::below(node, key));
        within + (n * K::PER_NODE) as u32
    }
}

pub(super) fn search<K: Key>(levels: &Levels) -> Search<K> {
    fn go<K: Key, const HEIGHT: u32, const WIDE_ROOT: bool>(
        nodes: &[Node<K>],
        levels: &Levels,
        key: K,
    ) -> usize {
        search::descend::<K, HEIGHT, WIDE_ROOT>(nodes, levels, key, Scalar)
    }
    pick!(levels, go, K)
}

pub(super) fn search_all<K: Key>(
    nodes: &[Node<K>],
    levels: &Levels,
    keys: &[K; ABREAST],
    found: &mut [usize; ABREAST],
) {
    search::search_all(nodes, levels, keys, found, Scalar);
}

/// Nine outcomes: one of three thirds, then one of three places in it.
#[inline(always)]
pub(super) fn below64(node: &Node<u64>, key: u64) -> u32 {
    let keys = &node.0;
    let third = 3 * (usize::from(keys[2] < key) + usize::from(keys[5] < key));
    let [a, b] = [third, third + 1].map(|n| keys.get(n).is_some_and(|k| *k < key));
    third as u32 + u32::from(a) + u32::from(b)
}

/// Seventeen outcomes: one of four quarters, then one of four places in it; and above them all.
#[inline(always)]
pub(super) fn below32(node: &Node<u32>, key: u32) -> u32 {
    let keys = &node.0;
    let quarter =
        usize::from(keys[3] < key) + usize::from(keys[7] < key) + usize::from(keys[11] < key);
    let quarter = 4 * quarter;
    let [a, b, c] =
        [quarter, quarter + 1, quarter + 2].map(|n| keys.get(n).is_some_and(|k| *k < key));
    quarter as u32 + u32::from(a) + u32::from(b) + u32::from(c) + u32::from(keys[15] < key)
}
