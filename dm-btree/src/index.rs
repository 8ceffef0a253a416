//! The best form for a given table.

use alloc::vec::Vec;
use core::fmt;

use crate::buckets::Buckets;
use crate::few::Few;
use crate::flat::{Line, Root};
use crate::narrow::Narrow;
use crate::scale::Scale;
use crate::tree::check;
use crate::{BTree64, BuildError, Group, Instructions, Node, SectorIndex, Staged};

/// An index in whichever form suits its keys best.
#[derive(Clone, Debug)]
pub struct Index {
    form: Form,
}

/// With a tag of its own, which is quicker to read than one folded into a capacity. Forms are told
/// apart in two steps of a few compares: a jump through a table would cost more than a search.
#[derive(Clone, Debug)]
#[repr(u8)]
#[expect(clippy::large_enum_variant, reason = "a table has one, and should find its keys there")]
enum Form {
    One(Few<1>),
    Few(Few<4>),
    Line(Line),
    More(More),
}

/// More than 16 keys.
#[derive(Clone, Debug)]
#[repr(u8)]
#[allow(
    clippy::large_enum_variant,
    reason = "as above; how large the others are is up to features"
)]
enum More {
    Root(Root),
    Buckets(Buckets<u32>),
    WideBuckets(Buckets<u64>),
    Narrow(Narrow),
    Wide(BTree64<Vec<Node<u64>>>),
    Staged(Staged<Vec<Node<u32>>, Vec<Group>>),
}

/// From this many keys on, half the memory is worth a second stage: see `random, past 2^32` of the benchmark.
const MANY: usize = 65_536;

impl Index {
    /// Builds the index of the last sector of each line; they must be strictly increasing.
    ///
    /// Fails, and has nothing allocated, if they are not, or if there is no memory.
    pub fn build(ends: Vec<u64>) -> Result<Index, BuildError> {
        check::<u64>(&ends)?;
        let form = if ends.len() == 1 {
            Form::One(Few::build(&ends)?)
        } else if ends.len() <= 4 {
            Form::Few(Few::build(&ends)?)
        } else if let Some(line) = Line::build(&ends) {
            Form::Line(line)
        } else {
            Form::More(More::build(ends)?)
        };
        Ok(Index { form })
    }

    /// The same index, searched with other instructions; where they have no use, with those nearest.
    pub fn with(self, instructions: Instructions) -> Index {
        let form = match self.form {
            form @ (Form::One(_) | Form::Few(_)) => form,
            Form::Line(line) => Form::Line(line.with(instructions)),
            Form::More(more) => Form::More(more.with(instructions)),
        };
        Index { form }
    }

    fn inner(&self) -> &dyn SectorIndex {
        match &self.form {
            Form::One(one) => one,
            Form::Few(few) => few,
            Form::Line(line) => line,
            Form::More(more) => more.inner(),
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.inner().len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the first key that is not below `sector`; `None` past the last key.
    #[inline(always)]
    pub fn lookup(&self, sector: u64) -> Option<usize> {
        if let Form::One(one) = &self.form {
            return one.lookup(sector);
        }
        match &self.form {
            Form::Few(few) => few.lookup(sector),
            Form::Line(line) => line.lookup(sector),
            Form::More(more) => more.lookup(sector),
            Form::One(_) => None,
        }
    }

    /// Looks each of `sectors` up into the place of the same number in `out`.
    ///
    /// Stops at the end of the shorter of the two. The cache misses of different sectors overlap.
    pub fn lookup_batch(&self, sectors: &[u64], out: &mut [Option<usize>]) {
        self.inner().lookup_batch(sectors, out);
    }

    /// Key number `n`: the last sector of line `n`. `None` from [`len`](Index::len) on.
    #[inline]
    pub fn key(&self, n: usize) -> Option<u64> {
        match &self.form {
            Form::One(one) => one.key(n),
            Form::Few(few) => few.key(n),
            Form::Line(line) => line.key(n),
            Form::More(more) => more.inner().key(n),
        }
    }

    /// The first and the last sector of line `n`; `None` from [`len`](Index::len) on.
    #[inline]
    pub fn line(&self, n: usize) -> Option<(u64, u64)> {
        match &self.form {
            Form::One(one) => line(one, n),
            Form::Few(few) => line(few, n),
            Form::Line(keys) => line(keys, n),
            Form::More(more) => more.line(n),
        }
    }

    /// The bytes allocated.
    pub fn memory(&self) -> usize {
        self.inner().memory()
    }

    /// Which form it is: `one`, `few`, `flat`, `buckets`, `32-bit`, `64-bit` or `staged`.
    pub fn form(&self) -> &'static str {
        match &self.form {
            Form::One(_) => "one",
            Form::Few(_) => "few",
            Form::Line(_) | Form::More(More::Root(_)) => "flat",
            Form::More(More::Buckets(_) | More::WideBuckets(_)) => "buckets",
            Form::More(More::Narrow(_)) => "32-bit",
            Form::More(More::Wide(_)) => "64-bit",
            Form::More(More::Staged(_)) => "staged",
        }
    }

    /// The instructions that search it.
    pub fn instructions(&self) -> Instructions {
        match &self.form {
            Form::One(_) | Form::Few(_) => Instructions::SCALAR,
            Form::Line(line) => line.instructions(),
            Form::More(More::Root(root)) => root.instructions(),
            Form::More(More::Buckets(buckets)) => buckets.instructions(),
            Form::More(More::WideBuckets(buckets)) => buckets.instructions(),
            Form::More(More::Narrow(tree)) => tree.instructions(),
            Form::More(More::Wide(tree)) => tree.instructions(),
            Form::More(More::Staged(staged)) => staged.instructions(),
        }
    }
}

impl More {
    fn build(ends: Vec<u64>) -> Result<More, BuildError> {
        Ok(if let Some(root) = Root::build(&ends) {
            More::Root(root)
        } else if let Some(buckets) = Buckets::build(&ends)? {
            More::Buckets(buckets)
        } else if let Some(buckets) = Buckets::build(&ends)? {
            More::WideBuckets(buckets)
        } else if let Some(scale) = Scale::to_bits(32, &ends) {
            More::Narrow(Narrow::build(ends, scale)?)
        } else if ends.len() >= MANY && is_dense(&ends)? {
            More::Staged(Staged::build(&ends, Vec::new(), Vec::new())?)
        } else {
            More::Wide(BTree64::build(&ends, Vec::new())?)
        })
    }

    fn with(self, instructions: Instructions) -> More {
        match self {
            More::Root(root) => More::Root(root.with(instructions)),
            More::Buckets(buckets) => More::Buckets(buckets.with(instructions)),
            More::WideBuckets(buckets) => More::WideBuckets(buckets.with(instructions)),
            More::Narrow(tree) => More::Narrow(tree.with(instructions)),
            More::Wide(tree) => More::Wide(tree.with(instructions)),
            More::Staged(staged) => More::Staged(staged.with(instructions)),
        }
    }

    fn inner(&self) -> &dyn SectorIndex {
        match self {
            More::Root(root) => root,
            More::Buckets(buckets) => buckets,
            More::WideBuckets(buckets) => buckets,
            More::Narrow(tree) => tree,
            More::Wide(tree) => tree,
            More::Staged(staged) => staged,
        }
    }

    #[inline(always)]
    fn lookup(&self, sector: u64) -> Option<usize> {
        match self {
            More::Buckets(buckets) => buckets.lookup(sector),
            More::Root(root) => root.lookup(sector),
            _ => self.lookup_otherwise(sector),
        }
    }

    /// Kept apart, so that the other forms need no stack.
    #[inline(never)]
    fn lookup_otherwise(&self, sector: u64) -> Option<usize> {
        match self {
            More::Narrow(tree) => tree.lookup(sector),
            _ => self.lookup_past_32_bits(sector),
        }
    }

    #[inline(never)]
    fn lookup_past_32_bits(&self, sector: u64) -> Option<usize> {
        match self {
            More::WideBuckets(buckets) => buckets.lookup(sector),
            More::Wide(tree) => tree.lookup(sector),
            More::Staged(staged) => staged.lookup(sector),
            _ => None,
        }
    }

    #[inline]
    fn line(&self, n: usize) -> Option<(u64, u64)> {
        match self {
            More::Buckets(buckets) => line(buckets, n),
            More::WideBuckets(buckets) => line(buckets, n),
            More::Root(root) => line(root, n),
            More::Narrow(tree) => line(tree, n),
            More::Wide(tree) => line(tree, n),
            More::Staged(staged) => line(staged, n),
        }
    }
}

impl SectorIndex for Index {
    fn len(&self) -> usize {
        Index::len(self)
    }

    #[inline(always)]
    fn lookup(&self, sector: u64) -> Option<usize> {
        Index::lookup(self, sector)
    }

    fn key(&self, n: usize) -> Option<u64> {
        Index::key(self, n)
    }

    fn memory(&self) -> usize {
        Index::memory(self)
    }

    fn lookup_batch(&self, sectors: &[u64], out: &mut [Option<usize>]) {
        Index::lookup_batch(self, sectors, out);
    }
}

#[inline]
fn line(index: &impl SectorIndex, n: usize) -> Option<(u64, u64)> {
    let last = index.key(n)?;
    match n.checked_sub(1) {
        None => Some((0, last)),
        Some(before) => Some((index.key(before)?.checked_add(1)?, last)),
    }
}

/// The form and the instructions: `32-bit, AVX2`.
impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.form(), self.instructions().name())
    }
}

/// Whether the staged form takes less memory than the 64-bit one.
fn is_dense(ends: &[u64]) -> Result<bool, BuildError> {
    let (nodes, groups) = Staged::<Vec<Node<u32>>, Vec<Group>>::room_for(ends)?;
    let wide = BTree64::<Vec<Node<u64>>>::nodes_for(ends.len())?;
    Ok(nodes.saturating_add(groups) < wide)
}
