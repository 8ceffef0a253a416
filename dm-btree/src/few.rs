//! A handful of keys in the index itself: most volumes have no more.

use crate::tree::check;
use crate::{BuildError, SectorIndex};

/// How many keys are a few.
pub(crate) const FEW: usize = 4;

/// Up to [`FEW`] keys, all compared.
#[derive(Clone, Debug)]
pub(crate) struct Few {
    /// Places behind the last key hold the highest number there is.
    keys: [u64; FEW],
    len: usize,
}

impl Few {
    /// Takes up to [`FEW`] keys, which must be strictly increasing.
    pub(crate) fn build(ends: &[u64]) -> Result<Few, BuildError> {
        check::<u64>(ends)?;
        let mut keys = [u64::MAX; FEW];
        let room = keys.get_mut(..ends.len()).ok_or(BuildError::NoRoom { needed: ends.len() })?;
        room.copy_from_slice(ends);
        Ok(Few { keys, len: ends.len() })
    }
}

impl SectorIndex for Few {
    fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn lookup(&self, sector: u64) -> Option<usize> {
        let n = self.keys.iter().map(|key| usize::from(*key < sector)).sum();
        (n < self.len).then_some(n)
    }

    fn key(&self, n: usize) -> Option<u64> {
        self.keys.get(..self.len)?.get(n).copied()
    }

    fn memory(&self) -> usize {
        0
    }
}
