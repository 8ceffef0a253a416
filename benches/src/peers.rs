//! What Rust users would take instead: each over the same table, asked the same way.

use std::collections::BTreeMap;
use std::ops::Bound;

use brie_tree::nonmax::NonMaxU64;
use ordsearch::OrderedCollection;
use rangemap::RangeMap;

use crate::contender::{Each, Find};
use crate::field::Entry;
use crate::linux::{LinuxC, LinuxRust};

struct Sorted(Vec<u64>);
struct Mapped(BTreeMap<u64, usize>);
struct Ranges(RangeMap<u64, usize>);
struct Ordered(OrderedCollection<(u64, usize)>);
struct Brie(brie_tree::BTree<NonMaxU64, usize>);

/// All peers, over the table whose lines end with `ends`.
pub(crate) fn peers(ends: &[u64]) -> Vec<Entry> {
    let numbered = || ends.iter().copied().zip(0..);
    let mut ranges = RangeMap::new();
    let mut brie = brie_tree::BTree::new();
    let mut start = 0;
    for (end, n) in numbered() {
        ranges.insert(start..end + 1, n);
        brie.insert(key(end), n);
        start = end + 1;
    }
    let ordered = OrderedCollection::from_sorted_iter(numbered().collect::<Vec<_>>());
    vec![
        Entry::peer("Linux model, C", LinuxC::new(ends)),
        Entry::peer("Linux model, Rust", Each(LinuxRust::new(ends))),
        Entry::peer("partition_point", Each(Sorted(ends.to_vec()))),
        Entry::peer("BTreeMap::range", Each(Mapped(numbered().collect()))),
        Entry::peer("rangemap", Each(Ranges(ranges))),
        Entry::peer("ordsearch", Each(Ordered(ordered))),
        Entry::peer("brie-tree", Each(Brie(brie))),
    ]
}

impl Find for LinuxRust {
    #[inline(always)]
    fn find(&self, sector: u64) -> usize {
        LinuxRust::find(self, sector)
    }
}

impl Find for Sorted {
    #[inline(always)]
    fn find(&self, sector: u64) -> usize {
        self.0.partition_point(|end| *end < sector)
    }
}

impl Find for Mapped {
    #[inline(always)]
    fn find(&self, sector: u64) -> usize {
        found(self.0.range(sector..).next().map(|(_, n)| *n))
    }
}

impl Find for Ranges {
    #[inline(always)]
    fn find(&self, sector: u64) -> usize {
        found(self.0.get(&sector).copied())
    }
}

impl Find for Ordered {
    #[inline(always)]
    fn find(&self, sector: u64) -> usize {
        found(self.0.find_gte((sector, 0)).map(|(_, n)| *n))
    }
}

impl Find for Brie {
    #[inline(always)]
    fn find(&self, sector: u64) -> usize {
        found(self.0.cursor_at(Bound::Included(key(sector))).value().copied())
    }
}

/// The answer to a query within the table; there always is one.
#[inline(always)]
pub(crate) fn found(answer: Option<usize>) -> usize {
    #[cold]
    fn outside() -> usize {
        panic!("a query outside the table")
    }
    answer.unwrap_or_else(outside)
}

fn key(sector: u64) -> NonMaxU64 {
    NonMaxU64::new(sector).expect("a table ends before the last sector there can be")
}
