//! Where nodes live: lent, fixed or allocated.

use crate::BuildError;

/// A place for the nodes of a tree, or the groups of a staged one.
pub trait Storage<T: Copy>: AsRef<[T]> {
    /// Makes room for `needed` elements, each of them `fill` at first, and gives them.
    ///
    /// Whatever was stored before is gone. Fails with [`BuildError::NoRoom`] or
    /// [`BuildError::OutOfMemory`]; never allocates infallibly.
    fn reset(&mut self, needed: usize, fill: T) -> Result<&mut [T], BuildError>;

    /// The bytes held for elements.
    fn bytes(&self) -> usize {
        size_of_val(self.as_ref())
    }
}

impl<T: Copy> Storage<T> for &mut [T] {
    fn reset(&mut self, needed: usize, fill: T) -> Result<&mut [T], BuildError> {
        let room = self.get_mut(..needed).ok_or(BuildError::NoRoom { needed })?;
        room.fill(fill);
        Ok(room)
    }
}

impl<T: Copy, const N: usize> Storage<T> for heapless::Vec<T, N> {
    fn reset(&mut self, needed: usize, fill: T) -> Result<&mut [T], BuildError> {
        self.clear();
        self.resize(needed, fill).map_err(|_| BuildError::NoRoom { needed })?;
        Ok(self)
    }
}

#[cfg(feature = "alloc")]
impl<T: Copy> Storage<T> for alloc::vec::Vec<T> {
    fn reset(&mut self, needed: usize, fill: T) -> Result<&mut [T], BuildError> {
        self.clear();
        self.try_reserve_exact(needed).map_err(|_| BuildError::OutOfMemory)?;
        self.resize(needed, fill);
        Ok(self)
    }

    fn bytes(&self) -> usize {
        self.capacity().saturating_mul(size_of::<T>())
    }
}
