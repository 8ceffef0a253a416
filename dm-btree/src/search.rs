//! The way down a tree: filling the levels, and following them.

use crate::levels::Levels;
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
    // A node above the leaves holds the last key under each child. The last child of a level, and
    // those that are not there, keep the highest number: so a search for anything stays on nodes
    // that are there. `span` is how many keys are under a child.
    let mut span = levels
        .steps()
        .fold(K::PER_NODE, |span, _| span.saturating_mul(K::CHILDREN));
    let mut base = 0;
    for step in levels.steps() {
        span /= K::CHILDREN;
        let below = child::<K>(base, 0, step);
        let level = nodes
            .get_mut(base as usize..below as usize)
            .unwrap_or_default();
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
        base = below;
    }
}

/// The number of the first key that is not below `key`; at least the number of keys if there is none.
///
/// The usual heights have code of their own, without a loop.
#[inline(always)]
pub(crate) fn descend<K: Key>(
    nodes: &[Node<K>],
    levels: &Levels,
    key: K,
    below: impl Fn(&Node<K>, K) -> u32,
) -> usize {
    let [a, b, c, d, ..] = levels.steps;
    let found = match levels.height {
        0 => follow(nodes, levels, [], key, below),
        1 => follow(nodes, levels, [1], key, below),
        2 => follow(nodes, levels, [1, a], key, below),
        3 => follow(nodes, levels, [1, a, b], key, below),
        4 => follow(nodes, levels, [1, a, b, c], key, below),
        5 => follow(nodes, levels, [1, a, b, c, d], key, below),
        _ => follow(nodes, levels, levels.steps(), key, below),
    };
    found.unwrap_or(usize::MAX)
}

/// Follows the steps down from the root. `None` past the end of the nodes.
#[inline(always)]
fn follow<K: Key>(
    nodes: &[Node<K>],
    levels: &Levels,
    steps: impl IntoIterator<Item = u32>,
    key: K,
    below: impl Fn(&Node<K>, K) -> u32,
) -> Option<usize> {
    let mut n = 0_u32;
    for step in steps {
        n = child::<K>(n, below(nodes.get(n as usize)?, key), step);
    }
    let k = below(nodes.get(n as usize)?, key);
    let leaf = n.wrapping_sub(levels.leaves) as usize;
    Some(leaf.wrapping_mul(K::PER_NODE).wrapping_add(k as usize))
}

/// The number of child `k` of node `n`.
#[inline(always)]
fn child<K: Key>(n: u32, k: u32, step: u32) -> u32 {
    n.wrapping_mul(K::CHILDREN as u32)
        .wrapping_add(step)
        .wrapping_add(k)
}
