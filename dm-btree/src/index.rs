//! The best form for a given table.

use alloc::vec::Vec;
use core::fmt;

use crate::few::Few;
use crate::narrow::Narrow;
use crate::tree::check;
use crate::{BTree64, BuildError, Group, Instructions, Node, SectorIndex, Staged};

/// An index in whichever form suits its keys best.
#[derive(Clone, Debug)]
pub struct Index {
    form: Form,
}

/// With a tag of its own, which is quicker to read than one folded into a capacity.
#[derive(Clone, Debug)]
#[repr(u8)]
enum Form {
    One(Few<1>),
    Few(Few<4>),
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
        } else if let Some(shift) = Narrow::shift_for(&ends) {
            Form::Narrow(Narrow::build(ends, shift)?)
        } else if ends.len() >= MANY && is_dense(&ends)? {
            Form::Staged(Staged::build(&ends, Vec::new(), Vec::new())?)
        } else {
            Form::Wide(BTree64::build(&ends, Vec::new())?)
        };
        Ok(Index { form })
    }

    /// The same index, searched with other instructions.
    pub fn with(self, instructions: Instructions) -> Index {
        let form = match self.form {
            form @ (Form::One(_) | Form::Few(_)) => form,
            Form::Narrow(tree) => Form::Narrow(tree.with(instructions)),
            Form::Wide(tree) => Form::Wide(tree.with(instructions)),
            Form::Staged(staged) => Form::Staged(staged.with(instructions)),
        };
        Index { form }
    }

    fn inner(&self) -> &dyn SectorIndex {
        match &self.form {
            Form::One(one) => one,
            Form::Few(few) => few,
            Form::Narrow(tree) => tree,
            Form::Wide(tree) => tree,
            Form::Staged(staged) => staged,
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
        match &self.form {
            Form::One(one) => one.lookup(sector),
            Form::Few(few) => few.lookup(sector),
            Form::Narrow(tree) => tree.lookup(sector),
            _ => self.lookup_past_32_bits(sector),
        }
    }

    /// Kept apart, so that the common forms need no stack.
    #[inline(never)]
    fn lookup_past_32_bits(&self, sector: u64) -> Option<usize> {
        match &self.form {
            Form::Wide(tree) => tree.lookup(sector),
            Form::Staged(staged) => staged.lookup(sector),
            _ => self.inner().lookup(sector),
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
            Form::Narrow(tree) => tree.key(n),
            Form::Wide(tree) => tree.key(n),
            Form::Staged(staged) => staged.key(n),
        }
    }

    /// The first and the last sector of line `n`; `None` from [`len`](Index::len) on.
    #[inline]
    pub fn line(&self, n: usize) -> Option<(u64, u64)> {
        match &self.form {
            Form::One(one) => line(one, n),
            Form::Few(few) => line(few, n),
            Form::Narrow(tree) => line(tree, n),
            Form::Wide(tree) => line(tree, n),
            Form::Staged(staged) => line(staged, n),
        }
    }

    /// The bytes allocated.
    pub fn memory(&self) -> usize {
        self.inner().memory()
    }

    /// Which form it is: `one`, `few`, `32-bit`, `64-bit` or `staged`.
    pub fn form(&self) -> &'static str {
        match &self.form {
            Form::One(_) => "one",
            Form::Few(_) => "few",
            Form::Narrow(_) => "32-bit",
            Form::Wide(_) => "64-bit",
            Form::Staged(_) => "staged",
        }
    }

    /// The instructions that search it.
    pub fn instructions(&self) -> Instructions {
        match &self.form {
            Form::One(_) | Form::Few(_) => Instructions::SCALAR,
            Form::Narrow(tree) => tree.instructions(),
            Form::Wide(tree) => tree.instructions(),
            Form::Staged(staged) => staged.instructions(),
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
