//! Searches of trees that need no asking whether the processor can run them.

use crate::levels::Levels;
use crate::search::{self, Below, Search, pick};
use crate::{Key, Node};

pub(super) fn search<K: Key, B: Below<K> + Default>(levels: &Levels) -> Search<K> {
    fn go<K: Key, B: Below<K> + Default, const HEIGHT: u32, const WIDE_ROOT: bool>(
        nodes: &[Node<K>],
        levels: &Levels,
        key: K,
    ) -> usize {
        search::descend::<K, HEIGHT, WIDE_ROOT>(nodes, levels, key, B::default())
    }
    pick!(levels, go, K, B)
}
