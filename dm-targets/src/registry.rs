//! The target types that tables may name.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::{array, fmt, iter, mem};

use dm_sync::{Arc, OutOfMemory, try_box, try_insert};

use crate::{ErrorTarget, Linear, Mirror, Striped, TargetType, Zero};

/// Target types by name, in the order of their names.
#[derive(Default)]
pub struct Registry {
    types: Vec<Arc<Box<dyn TargetType>>>,
}

/// Why a target type was not registered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Its name, or an alias of it, belongs to another type.
    #[error("a target type called `{name}` is registered already")]
    Taken {
        /// That name.
        name: &'static str,
    },
    /// Table lines could not name it.
    #[error("`{name}` cannot be the name of a target type: it is empty, or has blanks in it")]
    BadName {
        /// That name.
        name: &'static str,
    },
    /// There is no memory for it.
    #[error("out of memory")]
    OutOfMemory,
}

impl From<OutOfMemory> for RegisterError {
    fn from(_: OutOfMemory) -> RegisterError {
        RegisterError::OutOfMemory
    }
}

impl Registry {
    /// One that knows no types.
    pub const fn new() -> Registry {
        Registry { types: Vec::new() }
    }

    /// One that knows `error`, `linear`, `mirror`, `striped` and `zero`.
    pub fn with_builtins() -> Result<Registry, RegisterError> {
        let mut registry = Registry::new();
        registry.register(ErrorTarget)?;
        registry.register(Linear)?;
        registry.register(Mirror)?;
        registry.register(Striped)?;
        registry.register(Zero)?;
        Ok(registry)
    }

    /// Adds a target type. Tables loaded from now on may name it.
    pub fn register<T: TargetType + 'static>(&mut self, new: T) -> Result<(), RegisterError> {
        for name in names(&new) {
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return Err(RegisterError::BadName { name });
            }
            if self.find(name).is_some() {
                return Err(RegisterError::Taken { name });
            }
        }
        let place = self.types.partition_point(|known| known.name() < new.name());
        let boxed: Box<dyn TargetType> = try_box(new)?;
        Ok(try_insert(&mut self.types, place, Arc::try_new(boxed)?)?)
    }

    /// The type that goes by `name`, a `str` or the word of a table, be it an alias.
    pub fn find<N: PartialEq<str> + ?Sized>(&self, name: &N) -> Option<&dyn TargetType> {
        self.iter().find(|known| names(*known).any(|n| name == n))
    }

    /// The name that `word` was most likely meant to be, if any comes close.
    pub fn nearest(&self, word: &str) -> Option<&'static str> {
        nearest(word, self.iter().flat_map(names))
    }

    /// All types, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &dyn TargetType> {
        self.types.iter().map(|known| &***known)
    }

    /// A copy that shares the types.
    pub fn try_clone(&self) -> Result<Registry, OutOfMemory> {
        let mut types = Vec::new();
        types.try_reserve_exact(self.types.len())?;
        types.extend(self.types.iter().cloned());
        Ok(Registry { types })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|known| known.name())).finish()
    }
}

fn names<T: TargetType + ?Sized>(of: &T) -> impl Iterator<Item = &'static str> + use<T> {
    iter::once(of.name()).chain(of.aliases().iter().copied())
}

/// The one of `names` that `word` was most likely meant to be, if any comes close.
pub fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let distances = names.into_iter().map(|name| (edit_distance(word, name), name));
    let (distance, name) = distances.min()?;
    (distance <= name.len().div_ceil(3)).then_some(name)
}

/// How many letters must be added, dropped, changed or swapped with their neighbour to make `b` of
/// `a`; words over 24 letters are too far from anything.
#[expect(clippy::arithmetic_side_effects, reason = "distances are at most 24")]
fn edit_distance(a: &str, b: &str) -> usize {
    const LIMIT: usize = 24;
    if a.len() > LIMIT || b.len() > LIMIT {
        return usize::MAX;
    }
    // Rows of the table of distances between beginnings: two back, one back, and this one.
    let mut two_back = [0; LIMIT + 1];
    let mut back: [usize; LIMIT + 1] = array::from_fn(|length| length);
    let mut x_before = None;
    for (x, length) in a.bytes().zip(1..) {
        let mut row = [length; LIMIT + 1];
        let (mut left, mut y_before) = (length, None);
        let above = back.array_windows().zip(iter::once(&0).chain(&two_back));
        let cells = row.iter_mut().skip(1).zip(above);
        for (y, (cell, (&[diagonal, above], &before_both))) in b.bytes().zip(cells) {
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            if x_before == Some(y) && y_before == Some(x) {
                left = left.min(before_both + 1);
            }
            *cell = left;
            y_before = Some(y);
        }
        x_before = Some(x);
        two_back = mem::replace(&mut back, row);
    }
    back.get(b.len()).copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
