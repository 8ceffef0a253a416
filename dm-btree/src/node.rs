//! A node: one cache line of keys and nothing else.

use core::fmt::Debug;

use crate::simd::Width;

/// The width of a key: `u64` or `u32`.
pub trait Key: Copy + Debug + Ord + Into<u64> + TryFrom<u64> + Width {
    /// As many keys as fill a cache line.
    type Keys: AsRef<[Self]> + AsMut<[Self]> + Copy + Debug;
    /// How many keys fill a cache line.
    const PER_NODE: usize;
    /// How many children a node above the leaves has.
    const CHILDREN: usize = Self::PER_NODE + 1;
    /// The highest key, which also fills the places behind the last one.
    const MAX: Self;
    /// A node of fill.
    const FILL: Node<Self>;
}

/// A cache line of keys, in order. Places behind the last key hold the highest number there is.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Node<K: Key>(pub(crate) K::Keys);

impl Key for u64 {
    type Keys = [u64; 8];
    const PER_NODE: usize = 8;
    const MAX: u64 = u64::MAX;
    const FILL: Node<u64> = Node([u64::MAX; 8]);
}

impl Key for u32 {
    type Keys = [u32; 16];
    const PER_NODE: usize = 16;
    const MAX: u32 = u32::MAX;
    const FILL: Node<u32> = Node([u32::MAX; 16]);
}

impl<K: Key> Default for Node<K> {
    fn default() -> Self {
        K::FILL
    }
}

const _: () = assert!(size_of::<Node<u64>>() == 64 && size_of::<Node<u32>>() == 64);
