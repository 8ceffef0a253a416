//! What a disk holds, in its cache and for good.

use std::collections::BTreeMap;

use crate::Random;

const SECTOR: usize = 512;

/// The sectors of a disk with a write cache.
///
/// A write is in the cache when it has been carried out; a flush makes everything last that was
/// written before the flush was asked for. What is in the cache only, a power cut may lose: every
/// sector by itself, and back to any of the contents that it had since it last was made to last.
pub(super) struct Media {
    /// As it reads now.
    data: Vec<u8>,
    unflushed: BTreeMap<u64, Unflushed>,
    /// How many writes it has carried out.
    writes: u64,
}

/// A sector that a power cut may change.
struct Unflushed {
    durable: Box<[u8]>,
    /// What was written since then, each with the number of the write.
    versions: Vec<(u64, Box<[u8]>)>,
}

impl Media {
    pub(super) fn new(sectors: u64) -> Media {
        let data = vec![0; sectors as usize * SECTOR];
        Media { data, unflushed: BTreeMap::new(), writes: 0 }
    }

    /// As many bytes as it has.
    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    /// How many writes it has carried out. A flush that begins now is about these.
    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// The bytes of sectors, as they read now; `None` past the end.
    pub(super) fn get(&self, first: u64, count: u64) -> Option<&[u8]> {
        let start = usize::try_from(first).ok()?.checked_mul(SECTOR)?;
        let length = usize::try_from(count).ok()?.checked_mul(SECTOR)?;
        self.data.get(start..start.checked_add(length)?)
    }

    /// Everything, as it reads now.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// Replaces everything, for good.
    pub(super) fn replace(&mut self, data: Vec<u8>) {
        self.data = data;
        self.unflushed.clear();
    }

    /// Begins a write, to be followed by its [sectors](Self::put).
    pub(super) fn begin_write(&mut self) {
        self.writes += 1;
    }

    /// Writes one sector, for good or into the cache.
    pub(super) fn put(&mut self, sector: u64, bytes: &[u8], durable: bool) {
        let start = sector as usize * SECTOR;
        let place = &mut self.data[start..start + SECTOR];
        if durable {
            self.unflushed.remove(&sector);
        } else {
            let before = || Unflushed { durable: (&*place).into(), versions: Vec::new() };
            let unflushed = self.unflushed.entry(sector).or_insert_with(before);
            unflushed.versions.push((self.writes, bytes.into()));
        }
        place.copy_from_slice(bytes);
    }

    /// Makes the first so many writes last.
    pub(super) fn flush(&mut self, writes: u64) {
        self.unflushed.retain(|_, unflushed| {
            let flushed = unflushed.versions.partition_point(|(write, _)| *write <= writes);
            if let Some((_, last)) = unflushed.versions.drain(..flushed).next_back() {
                unflushed.durable = last;
            }
            !unflushed.versions.is_empty()
        });
    }

    /// Loses what the cache had, or parts of it. Returns how many sectors went back in time.
    pub(super) fn cut(&mut self, random: &mut Random) -> u64 {
        let mut lost = 0;
        // Some disks lose nearly everything, some next to nothing.
        let luck = random.below(101);
        for (sector, unflushed) in std::mem::take(&mut self.unflushed) {
            if random.percent(luck) {
                continue;
            }
            let kept = random.below(unflushed.versions.len() as u64) as usize;
            let bytes = match kept.checked_sub(1) {
                Some(n) => &unflushed.versions[n].1,
                None => &unflushed.durable,
            };
            let start = sector as usize * SECTOR;
            self.data[start..start + SECTOR].copy_from_slice(bytes);
            lost += 1;
        }
        lost
    }
}

#[cfg(test)]
mod tests;
