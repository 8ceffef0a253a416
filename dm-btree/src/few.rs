//! A handful of keys in the index itself: most volumes have no more.

use crate::tree::check;
use crate::{BuildError, SectorIndex};

/// Up to `N` keys, all compared.
#[derive(Clone, Debug)]
pub(crate) struct Few<const N: usize> {
    /// Places behind the last key hold the highest number there is.
    keys: [u64; N],
    len: usize,
}

impl<const N: usize> Few<N> {
    /// Takes up to `N` keys, which must be strictly increasing.
    pub(crate) fn build(ends: &[u64]) -> Result<Few<N>, BuildError> {
        check::<u64>(ends)?;
        let mut keys = [u64::MAX; N];
        let room = keys.get_mut(..ends.len()).ok_or(BuildError::NoRoom { needed: ends.len() })?;
        room.copy_from_slice(ends);
        Ok(Few { keys, len: ends.len() })
    }
}

impl<const N: usize> SectorIndex for Few<N> {
    fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn lookup(&self, sector: u64) -> Option<usize> {
        if N == 1 && self.len == 1 {
            // The answer is there before the comparison: the processor guesses that it holds.
            return self.keys.first().is_some_and(|key| sector <= *key).then_some(0);
        }
        let n = self.keys.iter().map(|key| usize::from(*key < sector)).sum();
        (n < self.len).then_some(n)
    }

    #[inline]
    fn key(&self, n: usize) -> Option<u64> {
        self.keys.get(..self.len)?.get(n).copied()
    }

    fn memory(&self) -> usize {
        0
    }
}
