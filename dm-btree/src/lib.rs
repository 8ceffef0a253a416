//! Which line of a table covers a sector: a search tree with the child pointers left out.
//!
//! For anyone who has a sorted list of sectors that is built once and searched often. All keys are
//! known before the tree is built, so child *k* of node *n* is node *n·(K+1)+k* of the level below:
//! a node is one cache line of nothing but keys, and a lookup touches one line a level.
//!
//! The root alone may be four cache lines wide, which are all compared: they are in use all the time,
//! and it saves a level.
//!
//! A *key* is the last sector of a line. Looking a sector up gives the number of the first key that
//! is not below it, which is the number of the line.
//!
//! | form | keys | for |
//! |---|---|---|
//! | [`BTree64`] | 64 bits, 8 a cache line | any table |
//! | [`BTree32`] | 32 bits, 16 a cache line | tables that end before sector 2^32 (in an [`Index`]: aligned ones of any length) |
//! | [`Staged`] | 64 bits, looked up 32 at a time | large tables past sector 2^32 |
//! | [`Index`] | whatever is best for a given table | everybody with an allocator |
//!
//! An [`Index`] has two more forms, which are quicker still where they fit: up to 64 keys are *flat*, in
//! the index itself, and keys that lie evenly are in *buckets*, found by a sector's upper bits.
//!
//! Each tree is generic over where its nodes live ([`Storage`]): a slice lent by the caller, a
//! `heapless::Vec`, or, with the feature `alloc`, a `Vec`. With the feature `std` the instruction set
//! is chosen at run time; without it only integer registers are used, as a kernel demands.
//!
//! ```
//! use dm_btree::{BTree64, Node, SectorIndex};
//!
//! let ends = [99, 299, 1023]; // lines 0..=99, 100..=299 and 300..=1023
//! let tree: BTree64<heapless::Vec<Node<u64>, 1>> = BTree64::build(&ends, heapless::Vec::new())?;
//! assert_eq!(tree.lookup(100), Some(1));
//! assert_eq!(tree.lookup(1024), None);
//! # Ok::<(), dm_btree::BuildError>(())
//! ```
#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "alloc")]
mod buckets;
mod error;
#[cfg(feature = "alloc")]
mod few;
#[cfg(feature = "alloc")]
mod flat;
#[cfg(feature = "alloc")]
mod index;
mod levels;
#[cfg(feature = "alloc")]
mod narrow;
mod node;
#[cfg(feature = "alloc")]
mod scale;
mod search;
#[allow(unsafe_code)]
mod simd;
mod staged;
mod storage;
mod tree;

pub use error::BuildError;
#[cfg(feature = "alloc")]
pub use index::Index;
pub use node::{Key, Node};
pub use simd::Instructions;
pub use staged::{Group, Staged};
pub use storage::Storage;
pub use tree::{BTree, BTree32, BTree64};

/// What every form of the index answers.
pub trait SectorIndex {
    /// How many keys there are.
    fn len(&self) -> usize;

    /// The number of the first key that is not below `sector`.
    ///
    /// Returns `None` past the last key. Touches one cache line a level.
    fn lookup(&self, sector: u64) -> Option<usize>;

    /// Key number `n`: the last sector of line `n`. `None` from [`len`](SectorIndex::len) on.
    fn key(&self, n: usize) -> Option<u64>;

    /// The bytes that nodes and groups take, apart from the value itself.
    fn memory(&self) -> usize;

    /// Looks each of `sectors` up into the place of the same number in `out`.
    ///
    /// Stops at the end of the shorter of the two. The cache misses of different sectors overlap.
    fn lookup_batch(&self, sectors: &[u64], out: &mut [Option<usize>]) {
        for (sector, out) in sectors.iter().zip(out) {
            *out = self.lookup(*sector);
        }
    }

    /// Whether there are no keys.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
