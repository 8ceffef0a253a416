//! The field: everybody who can take part over a given table.

use std::collections::BTreeMap;
use std::ops::Bound;

use brie_tree::nonmax::NonMaxU64;
use dm_btree::{BTree32, BTree64, Index, Instructions, SectorIndex, Staged};
use rangemap::RangeMap;

use crate::contender::{Batch, Contender, Each};
use crate::linux::{LinuxC, LinuxRust};

/// Somebody with a name.
pub struct Entry {
    /// What tables and curves call it.
    pub name: String,
    /// Whether it is one of ours.
    pub ours: bool,
    /// Whether it answers many at once, so that queries cannot wait for answers.
    pub batch: bool,
    /// The thing itself.
    pub contender: Box<dyn Contender>,
}

/// Everybody, over the table whose lines end with `ends`.
pub fn field(ends: &[u64]) -> Vec<Entry> {
    let mut entries = peers(ends);
    for instructions in Instructions::available() {
        let narrow = ends.last().is_none_or(|last| u32::try_from(*last).is_ok());
        let name = instructions.name();
        let wide = BTree64::build(ends, Vec::new()).expect("keys in order").with(instructions);
        ours(&mut entries, format!("64-bit {name}"), wide);
        if narrow {
            let tree = BTree32::build(ends, Vec::new()).expect("keys in order").with(instructions);
            ours(&mut entries, format!("32-bit {name}"), tree);
        }
        let staged = Staged::build(ends, Vec::new(), Vec::new()).expect("keys in order");
        ours(&mut entries, format!("staged {name}"), staged.with(instructions));
        let index = Index::build(ends.to_vec()).expect("keys in order").with(instructions);
        ours(&mut entries, format!("Index {name}"), index.clone());
        let all =
            move |sectors: &[u64], out: &mut [Option<usize>]| index.lookup_batch(sectors, out);
        entries.push(entry(format!("Index {name}, batch"), true, true, Batch(all)));
    }
    entries
}

fn ours(entries: &mut Vec<Entry>, name: String, index: impl SectorIndex + 'static) {
    let find = move |sector| found(index.lookup(sector));
    entries.push(entry(name, true, false, Each(find)));
}

fn peers(ends: &[u64]) -> Vec<Entry> {
    let peer =
        |name: &str, contender| Entry { name: name.into(), ours: false, batch: false, contender };
    let linux = LinuxRust::new(ends);
    let sorted = ends.to_vec();
    let map: BTreeMap<u64, usize> = ends.iter().copied().zip(0..).collect();
    let mut ranges = RangeMap::new();
    let mut start = 0;
    for (n, end) in ends.iter().enumerate() {
        ranges.insert(start..end + 1, n);
        start = end + 1;
    }
    let mut brie = brie_tree::BTree::new();
    for (n, end) in ends.iter().enumerate() {
        brie.insert(key(*end), n);
    }
    let numbered: Vec<(u64, usize)> = ends.iter().copied().zip(0..).collect();
    let ordered = ordsearch::OrderedCollection::from_sorted_iter(numbered);
    vec![
        peer("Linux model, C", Box::new(LinuxC::new(ends))),
        peer("Linux model, Rust", Box::new(Each(move |sector| linux.find(sector)))),
        peer(
            "partition_point",
            Box::new(Each(move |sector| sorted.partition_point(|end| *end < sector))),
        ),
        peer(
            "BTreeMap::range",
            Box::new(Each(move |sector| found(map.range(sector..).next().map(|(_, n)| *n)))),
        ),
        peer("rangemap", Box::new(Each(move |sector| found(ranges.get(&sector).copied())))),
        peer(
            "ordsearch",
            Box::new(Each(move |sector| found(ordered.find_gte((sector, 0)).map(|(_, n)| *n)))),
        ),
        peer(
            "brie-tree",
            Box::new(Each(move |sector| {
                found(brie.cursor_at(Bound::Included(key(sector))).value().copied())
            })),
        ),
    ]
}

/// The answer to a query within the table; there always is one.
#[inline(always)]
fn found(answer: Option<usize>) -> usize {
    #[cold]
    fn outside() -> usize {
        panic!("a query outside the table")
    }
    answer.unwrap_or_else(outside)
}

fn key(sector: u64) -> NonMaxU64 {
    NonMaxU64::new(sector).expect("a table ends before the last sector there can be")
}

fn entry(name: String, ours: bool, batch: bool, contender: impl Contender + 'static) -> Entry {
    Entry { name, ours, batch, contender: Box::new(contender) }
}
