//! The field: everybody who can take part over a given table.

use dm_btree::{BTree32, BTree64, Index, Instructions, SectorIndex, Staged};

use crate::contender::{Batch, Contender, Each, Find};
use crate::peers::{found, peers};

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

struct Ours<I>(I);

/// Everybody, over the table whose lines end with `ends`.
pub fn field(ends: &[u64]) -> Vec<Entry> {
    let mut entries = peers(ends);
    for instructions in Instructions::available() {
        let name = instructions.name();
        let wide = BTree64::build(ends, Vec::new()).expect("keys in order").with(instructions);
        entries.push(Entry::ours(format!("64-bit {name}"), wide));
        if ends.last().is_none_or(|last| u32::try_from(*last).is_ok()) {
            let tree = BTree32::build(ends, Vec::new()).expect("keys in order").with(instructions);
            entries.push(Entry::ours(format!("32-bit {name}"), tree));
        }
        let staged = Staged::build(ends, Vec::new(), Vec::new()).expect("keys in order");
        entries.push(Entry::ours(format!("staged {name}"), staged.with(instructions)));
        let index = Index::build(ends.to_vec()).expect("keys in order").with(instructions);
        entries.push(Entry::ours(format!("Index {name}"), index.clone()));
        let all =
            move |sectors: &[u64], out: &mut [Option<usize>]| index.lookup_batch(sectors, out);
        let name = format!("Index {name}, batch");
        entries.push(Entry { name, ours: true, batch: true, contender: Box::new(Batch(all)) });
    }
    entries
}

impl Entry {
    fn ours(name: String, index: impl SectorIndex + 'static) -> Entry {
        Entry { name, ours: true, batch: false, contender: Box::new(Each(Ours(index))) }
    }

    pub(crate) fn peer(name: &str, contender: impl Contender + 'static) -> Entry {
        Entry { name: name.into(), ours: false, batch: false, contender: Box::new(contender) }
    }
}

impl<I: SectorIndex> Find for Ours<I> {
    #[inline(always)]
    fn find(&self, sector: u64) -> usize {
        found(self.0.lookup(sector))
    }
}
