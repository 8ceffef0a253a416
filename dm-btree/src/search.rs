//! The way down a tree: filling the levels, and following them.

use crate::levels::{Levels, WIDE};
use crate::{Key, Node};

/// Fills the nodes of a tree with `len` keys; `key` gives key number n.
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

/// How many searches [`descend_all`] does abreast.
pub(crate) const ABREAST: usize = 16;

/// How many keys are below another: in a node, and in a wide root.
pub(crate) trait Below<K: Key>: Copy {
    fn node(self, node: &Node<K>, key: K) -> u32;
    fn root(self, root: &[Node<K>; WIDE], key: K) -> u32;
}

/// The number of the first key that is not below `key`; at least the number of keys if there is none.
///
/// For trees that are more than a root: see [`root`]. The usual heights have code of their own,
/// without a loop.
#[inline(always)]
pub(crate) fn descend<K: Key>(
    nodes: &[Node<K>],
    levels: &Levels,
    key: K,
    below: impl Below<K>,
) -> usize {
    let k = root(nodes, levels, key, below);
    let [a, b, c, d, ..] = levels.steps;
    let found = match levels.height {
        0 | 1 => follow(nodes, levels, k, [], key, below),
        2 => follow(nodes, levels, k, [a], key, below),
        3 => follow(nodes, levels, k, [a, b], key, below),
        4 => follow(nodes, levels, k, [a, b, c], key, below),
        5 => follow(nodes, levels, k, [a, b, c, d], key, below),
        _ => follow(nodes, levels, k, levels.steps(), key, below),
    };
    found.unwrap_or(usize::MAX)
}

/// How many keys of the root are below `key`: its child to go to, and the answer if it has none.
#[inline(always)]
pub(crate) fn root<K: Key>(
    nodes: &[Node<K>],
    levels: &Levels,
    key: K,
    below: impl Below<K>,
) -> u32 {
    if levels.root == 1 {
        nodes.first().map_or(0, |node| below.node(node, key))
    } else {
        nodes.first_chunk().map_or(0, |root| below.root(root, key))
    }
}

/// Follows the steps down from child `k` of the root. `None` past the end of the nodes.
#[inline(always)]
fn follow<K: Key>(
    nodes: &[Node<K>],
    levels: &Levels,
    k: u32,
    steps: impl IntoIterator<Item = u32>,
    key: K,
    below: impl Below<K>,
) -> Option<usize> {
    let mut n = levels.root.wrapping_add(k);
    for step in steps {
        n = child::<K>(n, below.node(nodes.get(n as usize)?, key), step);
    }
    let k = below.node(nodes.get(n as usize)?, key);
    let leaf = n.wrapping_sub(levels.leaves) as usize;
    Some(leaf.wrapping_mul(K::PER_NODE).wrapping_add(k as usize))
}

/// [`descend`] for many keys, a level at a time, so that their cache misses overlap.
#[inline(always)]
pub(crate) fn descend_all<K: Key>(
    nodes: &[Node<K>],
    levels: &Levels,
    keys: &[K; ABREAST],
    found: &mut [usize; ABREAST],
    below: impl Below<K>,
) {
    let at = keys.map(|key| root(nodes, levels, key, below));
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
fn child<K: Key>(n: u32, k: u32, step: u32) -> u32 {
    n.wrapping_mul(K::CHILDREN as u32).wrapping_add(step).wrapping_add(k)
}
