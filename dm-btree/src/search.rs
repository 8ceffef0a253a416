//! The way down a tree: building the levels, and following them.

use crate::levels::Levels;
use crate::{Key, Node};

/// Fills the nodes of a tree with `len` keys; `key` gives key number n.
pub(crate) fn fill<K: Key>(
    nodes: &mut [Node<K>],
    levels: &Levels,
    len: usize,
    key: impl Fn(usize) -> K,
) {
    let leaves = nodes.get_mut(levels.leaves()..).unwrap_or_default();
    let places = leaves.iter_mut().flat_map(|node| node.0.as_mut());
    for (n, place) in (0..len).zip(places) {
        *place = key(n);
    }
    // A node above the leaves holds the last key under each child. The last child of a level, and
    // those that are not there, keep the highest number: so a search for anything stays on nodes
    // that are there. `span` is how many keys are under a child.
    let mut span = K::PER_NODE;
    let mut end = levels.leaves();
    for base in levels.upper().iter().rev() {
        let level = nodes.get_mut(*base as usize..end).unwrap_or_default();
        let mut behind = span;
        for node in level {
            for place in node.0.as_mut() {
                if behind < len {
                    *place = key(behind.saturating_sub(1));
                }
                behind = behind.saturating_add(span);
            }
            behind = behind.saturating_add(span); // the last child of a node needs no key
        }
        end = *base as usize;
        span = span.saturating_mul(K::CHILDREN);
    }
}

/// The number of the first key that is not below `key`; at least the number of keys if there is none.
#[inline(always)]
pub(crate) fn descend<K: Key>(
    nodes: &[Node<K>],
    levels: &Levels,
    key: K,
    below: impl Fn(&Node<K>, K) -> usize,
) -> usize {
    let mut n = 0_usize;
    for base in levels.upper() {
        let Some(node) = nodes.get(n.wrapping_add(*base as usize)) else {
            return usize::MAX;
        };
        n = n.wrapping_mul(K::CHILDREN).wrapping_add(below(node, key));
    }
    let Some(node) = nodes.get(n.wrapping_add(levels.leaves())) else {
        return usize::MAX;
    };
    n.wrapping_mul(K::PER_NODE).wrapping_add(below(node, key))
}

/// How many keys of a node are below `key`, in integer registers and without a branch.
#[inline(always)]
pub(crate) fn below<K: Key>(node: &Node<K>, key: K) -> usize {
    node.0.as_ref().iter().map(|k| usize::from(*k < key)).sum()
}
