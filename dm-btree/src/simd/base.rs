//! The vectors that every processor of an architecture has: SSE2 on x86-64, NEON on 64-bit ARM.
//!
//! Four keys are compared at a time, into lanes of all ones where the key is above.

use crate::levels::WIDE;
use crate::search::{self, Below};
use crate::{Key, Node};

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(target_arch = "aarch64")]
pub(super) use neon::{NAME, below31, below32, below64};
#[cfg(target_arch = "x86_64")]
pub(super) use sse2::{NAME, below31, below32, below64};

#[derive(Clone, Copy, Default)]
pub(super) struct Base;

impl<K: Key> Below<K> for Base {
    #[inline(always)]
    fn node(self, node: &Node<K>, key: K) -> u32 {
        K::below_base(node, key)
    }

    #[inline(always)]
    fn root(self, root: &[Node<K>; WIDE], key: K) -> u32 {
        search::root_in_two_steps(self, root, key)
    }
}
