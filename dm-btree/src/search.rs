//! The way down a tree: filling the levels, and following them.

use crate::levels::{Levels, WIDE};
use crate::{Key, Node};

/// Fills the nodes of a tree with `len` keys; `key` gives key number n.
#[expect(clippy::arithmetic_side_effects, reason = "a node has at least nine children")]
pub(crate) fn fill<K: Key>(
    nodes: &mut [Node<K>],
    levels: &Levels,
    len: usize,
    key: impl Fn(usize) -> K,
) {
    let leaves = nodes.get_mut(levels.leaves as usize..).unwrap_or_default();
    let places = leaves.iter_mut().flat_map(|node| node.0.as_mut());
    for (n, place) in (0..len).zip(places) {
        *place = key(n);
    }
    if levels.height == 0 {
        return;
    }
    // A node above the leaves holds the last key under each child. The last child of a level, and
    // those that are not there, keep the highest number: so a search for anything stays on nodes
    // that are there. `span` is how many keys are under a child, `behind` the first of the next child.
    let mut span = levels.steps().fold(K::PER_NODE, |span, _| span.saturating_mul(K::CHILDREN));
    let put = |place: &mut K, behind: usize| {
        if behind < len {
            *place = key(behind.saturating_sub(1));
        }
    };
    let root = nodes.get_mut(..levels.root as usize).unwrap_or_default();
    let mut behind = 0_usize;
    for place in root.iter_mut().flat_map(|node| node.0.as_mut()) {
        behind = behind.saturating_add(span);
        put(place, behind);
    }
    let mut base = levels.root;
    for step in levels.steps() {
        span /= K::CHILDREN;
        let below = child::<K>(base, 0, step);
        let mut behind = 0_usize;
        for node in nodes.get_mut(base as usize..below as usize).unwrap_or_default() {
            for place in node.0.as_mut() {
                behind = behind.saturating_add(span);
                put(place, behind);
            }
            behind = behind.saturating_add(span); // the last child of a node needs no key
        }
        base = below;
    }
}

/// How many searches [`search_all`] does abreast.
pub(crate) const ABREAST: usize = 16;

/// How many keys are below another: in a node, and in a wide root.
pub(crate) trait Below<K: Key>: Copy {
    fn node(self, node: &Node<K>, key: K) -> u32;
    fn root(self, root: &[Node<K>; WIDE], key: K) -> u32;
}

/// [`Below::root`]: which node by its last key, then where in it.
#[inline(always)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a root has at most 64 keys"
)]
pub(crate) fn root_in_two_steps<K: Key>(
    below: impl Below<K>,
    root: &[Node<K>; WIDE],
    key: K,
) -> u32 {
    let [a, b, c, _] =
        root.each_ref().map(|node| node.0.as_ref().last().is_some_and(|last| *last < key));
    let n = usize::from(a) + usize::from(b) + usize::from(c);
    root.get(n).map_or(0, |node| below.node(node, key)) + (n * K::PER_NODE) as u32
}

/// [`Below::root`]: all nodes side by side, without waiting for one before the next.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[inline(always)]
#[expect(clippy::arithmetic_side_effects, reason = "a root has at most 64 keys")]
pub(crate) fn root_at_once<K: Key>(below: impl Below<K>, root: &[Node<K>; WIDE], key: K) -> u32 {
    let [a, b, c, d] = root.each_ref().map(|node| below.node(node, key));
    (a + b) + (c + d)
}

/// Finds the number of the first key that is not below another; at least the number of keys if there
/// is none. Compiled for one shape of trees and one set of instructions.
///
/// # Safety
///
/// The processor has those instructions.
pub(crate) type Search<K> = unsafe fn(&[Node<K>], &Levels, K) -> usize;

/// A height that has no code of its own, but a loop.
pub(crate) const ANY: u32 = u32::MAX;

/// A [`Search`] of a tree with that many levels above the leaves, and with a wide root or not.
#[inline(always)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "levels are counted from 1, and `WIDE` is 4"
)]
pub(crate) fn descend<K: Key, const HEIGHT: u32, const WIDE_ROOT: bool>(
    nodes: &[Node<K>],
    levels: &Levels,
    key: K,
    below: impl Below<K>,
) -> usize {
    let height = if HEIGHT == ANY { levels.height } else { HEIGHT };
    let width = if WIDE_ROOT { WIDE as u32 } else { 1 };
    let found = (|| {
        let k = if WIDE_ROOT {
            below.root(nodes.first_chunk()?, key)
        } else {
            below.node(nodes.first()?, key)
        };
        if height == 0 {
            return Some(k as usize);
        }
        let mut n = k.wrapping_add(width);
        for level in 1..height {
            let step = levels.steps.get(level as usize - 1)?;
            n = child::<K>(n, below.node(nodes.get(n as usize)?, key), *step);
        }
        let k = below.node(nodes.get(n as usize)?, key);
        let leaf = n.wrapping_sub(levels.leaves) as usize;
        Some(leaf.wrapping_mul(K::PER_NODE).wrapping_add(k as usize))
    })();
    found.unwrap_or(usize::MAX)
}

/// The [`Search`] for a tree's shape, out of a generic function `go`.
macro_rules! pick {
    ($levels:expr, $go:ident, $($of:ty),+) => {{
        use crate::levels::WIDE;
        use crate::search::ANY;
        match ($levels.height, $levels.root as usize == WIDE) {
            (0, false) => $go::<$($of,)+ 0, false>,
            (0, true) => $go::<$($of,)+ 0, true>,
            (1, false) => $go::<$($of,)+ 1, false>,
            (1, true) => $go::<$($of,)+ 1, true>,
            (2, false) => $go::<$($of,)+ 2, false>,
            (2, true) => $go::<$($of,)+ 2, true>,
            (3, false) => $go::<$($of,)+ 3, false>,
            (3, true) => $go::<$($of,)+ 3, true>,
            (4, false) => $go::<$($of,)+ 4, false>,
            (4, true) => $go::<$($of,)+ 4, true>,
            (5, false) => $go::<$($of,)+ 5, false>,
            (5, true) => $go::<$($of,)+ 5, true>,
            (_, false) => $go::<$($of,)+ ANY, false>,
            (_, true) => $go::<$($of,)+ ANY, true>,
        }
    }};
}
pub(crate) use pick;

/// [`descend`] for many keys, a level at a time, so that their cache misses overlap.
#[inline(always)]
pub(crate) fn search_all<K: Key>(
    nodes: &[Node<K>],
    levels: &Levels,
    keys: &[K; ABREAST],
    found: &mut [usize; ABREAST],
    below: impl Below<K>,
) {
    let at = if levels.root == 1 {
        let Some(root) = nodes.first() else { return };
        keys.map(|key| below.node(root, key))
    } else {
        let Some(root) = nodes.first_chunk() else { return };
        keys.map(|key| below.root(root, key))
    };
    if levels.height == 0 {
        *found = at.map(|n| n as usize);
        return;
    }
    let mut at = at.map(|k| levels.root.wrapping_add(k));
    for step in levels.steps() {
        for (n, key) in at.iter_mut().zip(keys) {
            let Some(node) = nodes.get(*n as usize) else {
                return;
            };
            *n = child::<K>(*n, below.node(node, *key), step);
        }
    }
    for ((n, key), found) in at.iter().zip(keys).zip(found) {
        let Some(node) = nodes.get(*n as usize) else {
            return;
        };
        let leaf = n.wrapping_sub(levels.leaves) as usize;
        *found = leaf.wrapping_mul(K::PER_NODE).wrapping_add(below.node(node, *key) as usize);
    }
}

/// The number of child `k` of node `n`.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a node has at most 17 children")]
fn child<K: Key>(n: u32, k: u32, step: u32) -> u32 {
    n.wrapping_mul(K::CHILDREN as u32).wrapping_add(step).wrapping_add(k)
}
