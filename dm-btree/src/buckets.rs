//! Keys that lie so evenly that a sector's upper bits nearly say its place.
//!
//! The table's sectors are cut into equal buckets, a power of two long, with at most 16 keys in each.
//! A lookup loads where its bucket's keys start, and counts those of the next 16 that are below: two
//! loads that wait for one another, where a tree has one for each level. Lines that differ too much in
//! length make some bucket too full, and very many lines too many buckets; then a tree it is.

use alloc::vec::Vec;

use crate::scale::Scale;
use crate::simd::in_place::Sixteen;
use crate::{BuildError, Instructions, SectorIndex};

/// How many keys a bucket may have: as many as are compared at once.
const FULL: usize = 16;

/// Of more keys than these, both loads of a lookup miss the caches, where a tree's upper levels stay in
/// them: whoever waits for each answer waits longer than for a tree.
const MOST: usize = 1 << 18;

/// There are no more buckets than keys for each to have so many: so they take a byte a key.
const AT_LEAST: u64 = 4;

/// Keys in order, and where those of each bucket start.
#[derive(Clone, Debug)]
pub(crate) struct Buckets<K> {
    /// Behind the last one, 16 more of the highest number there is.
    keys: Vec<K>,
    starts: Vec<u32>,
    /// A key's bucket is the key without so many low bits.
    shift: u32,
    scale: Scale,
    instructions: Instructions,
}

impl<K: Sixteen> Buckets<K> {
    /// Takes `ends`, which must be strictly increasing. `None` if they are too many, too wide, or not even.
    #[expect(clippy::cast_possible_truncation, reason = "a bucket's number is below `buckets`")]
    pub(crate) fn build(ends: &[u64]) -> Result<Option<Buckets<K>>, BuildError> {
        if ends.len() > MOST {
            return Ok(None);
        }
        let Some(scale) = Scale::to_bits(K::BITS_COMPARED, ends) else {
            return Ok(None);
        };
        let Some((shift, buckets)) = shape(ends, scale) else {
            return Ok(None);
        };
        let (mut keys, mut starts) = (Vec::new(), Vec::new());
        let padded = ends.len().saturating_add(FULL);
        keys.try_reserve_exact(padded).map_err(|_| BuildError::OutOfMemory)?;
        starts.try_reserve_exact(buckets).map_err(|_| BuildError::OutOfMemory)?;
        for (n, key) in (0..).zip(ends.iter().filter_map(|end| scale.key(*end))) {
            let through = (key.wrapping_shr(shift) as usize).saturating_add(1);
            if starts.len() < through {
                starts.resize(through, n);
            }
            keys.push(K::of(key));
        }
        keys.resize(padded, K::HIGHEST);
        let instructions = K::in_place(Instructions::best());
        Ok(Some(Buckets { keys, starts, shift, scale, instructions }))
    }

    /// The same keys, searched with other instructions.
    pub(crate) fn with(self, instructions: Instructions) -> Buckets<K> {
        Buckets { instructions: K::in_place(instructions), ..self }
    }

    /// The instructions that search it.
    pub(crate) fn instructions(&self) -> Instructions {
        self.instructions
    }
}

/// The fewest buckets that will do, and how many low bits a key has more than its bucket.
fn shape(ends: &[u64], scale: Scale) -> Option<(u32, usize)> {
    let len = u64::from(u32::try_from(ends.len()).ok()?);
    let last = scale.key(*ends.last()?)?;
    let bucket = |end: Option<&u64>, shift| Some(scale.key(*end?)? >> shift);
    let shift = (0..u64::BITS)
        .rev()
        .skip_while(|shift| last >> shift < len.div_euclid(FULL as u64))
        .take_while(|shift| last >> shift < len / AT_LEAST)
        .find(|&shift| {
            let mut runs = ends.windows(FULL + 1);
            runs.all(|run| bucket(run.first(), shift) != bucket(run.last(), shift))
        })?;
    Some((shift, usize::try_from(last >> shift).ok()?.saturating_add(1)))
}

impl<K: Sixteen> SectorIndex for Buckets<K> {
    fn len(&self) -> usize {
        self.keys.len().saturating_sub(FULL)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a sector in the table is in a bucket")]
    fn lookup(&self, sector: u64) -> Option<usize> {
        let key = self.scale.key(sector)?;
        let start = *self.starts.get(key.wrapping_shr(self.shift) as usize)? as usize;
        let line = self.keys.get(start..)?.first_chunk()?;
        let below = K::below_in_place(line, K::of(key), self.instructions);
        Some(start.wrapping_add(below as usize))
    }

    #[inline]
    fn key(&self, n: usize) -> Option<u64> {
        let key = self.keys.get(n)?;
        (n < self.len()).then(|| self.scale.end(*key))
    }

    fn memory(&self) -> usize {
        let keys = self.keys.capacity().saturating_mul(size_of::<K>());
        keys.saturating_add(self.starts.capacity().saturating_mul(size_of::<u32>()))
    }
}

#[cfg(test)]
mod tests;
