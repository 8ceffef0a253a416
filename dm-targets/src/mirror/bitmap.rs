//! One bit a region.

use alloc::vec::Vec;

use dm_sync::OutOfMemory;

/// How many words [`Bitmap::find_zero`] looks at before it takes a break.
const SCAN: usize = 4096;

/// Bits, and how many of them are ones.
pub(super) struct Bitmap {
    words: Vec<u64>,
    bits: u64,
    ones: u64,
}

/// What a look for a zero found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// This bit.
    Bit(u64),
    /// None up to here; there is more to look at.
    NotBefore(u64),
    /// None up to the end.
    Nothing,
}

impl Bitmap {
    pub(super) fn new(bits: u64, value: bool) -> Result<Bitmap, OutOfMemory> {
        let count = usize::try_from(bits.div_ceil(64)).map_err(|_| OutOfMemory)?;
        let mut words = Vec::new();
        words.try_reserve_exact(count)?;
        words.resize(count, 0);
        let mut bitmap = Bitmap { words, bits, ones: 0 };
        bitmap.fill(value);
        Ok(bitmap)
    }

    pub(super) fn len(&self) -> u64 {
        self.bits
    }

    pub(super) fn ones(&self) -> u64 {
        self.ones
    }

    pub(super) fn all_ones(&self) -> bool {
        self.ones == self.bits
    }

    /// Whether a bit is one; those past the end are not.
    pub(super) fn get(&self, bit: u64) -> bool {
        self.word(bit / 64) >> (bit % 64) & 1 == 1
    }

    /// Sets a bit; returns whether it was something else before.
    pub(super) fn set(&mut self, bit: u64, value: bool) -> bool {
        let before = self.word(bit / 64);
        let mask = 1 << (bit % 64);
        self.set_word(bit / 64, if value { before | mask } else { before & !mask });
        self.word(bit / 64) != before
    }

    pub(super) fn fill(&mut self, value: bool) {
        self.map_words(|_, _| if value { u64::MAX } else { 0 });
    }

    /// The 64 bits from 64`n` on.
    pub(super) fn word(&self, n: u64) -> u64 {
        usize::try_from(n).ok().and_then(|n| self.words.get(n)).copied().unwrap_or(0)
    }

    /// Sets the 64 bits from 64`n` on; bits past the end stay zeros.
    pub(super) fn set_word(&mut self, n: u64, value: u64) {
        let valid = match self.bits.saturating_sub(n.saturating_mul(64)) {
            left @ 0..64 => (1u64 << left).wrapping_sub(1),
            _ => u64::MAX,
        };
        let Some(word) = usize::try_from(n).ok().and_then(|n| self.words.get_mut(n)) else {
            return;
        };
        let before = core::mem::replace(word, value & valid);
        let ones = self.ones.wrapping_add(u64::from(word.count_ones()));
        self.ones = ones.wrapping_sub(u64::from(before.count_ones()));
    }

    /// Sets every word to what `new` makes of its number and its value.
    pub(super) fn map_words(&mut self, mut new: impl FnMut(u64, u64) -> u64) {
        for n in 0..self.words.len() as u64 {
            self.set_word(n, new(n, self.word(n)));
        }
    }

    /// Looks for a zero from the bit `from` on, for so long as no lock need be held longer.
    pub(super) fn find_zero(&self, from: u64) -> Found {
        let first = from / 64;
        let end = first.saturating_add(SCAN as u64).min(self.words.len() as u64);
        for n in first..end {
            let passed = if n == first { (1u64 << (from % 64)).wrapping_sub(1) } else { 0 };
            let zeros = !(self.word(n) | passed);
            let bit = n.saturating_mul(64).saturating_add(zeros.trailing_zeros().into());
            if zeros != 0 {
                return if bit < self.bits { Found::Bit(bit) } else { Found::Nothing };
            }
        }
        let next = end.saturating_mul(64);
        if next < self.bits { Found::NotBefore(next) } else { Found::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn counts_and_finds_like_a_list_of_bools() {
        for bits in [0, 1, 63, 64, 65, 200] {
            let mut map = Bitmap::new(bits, true).unwrap();
            assert!(map.all_ones() && map.ones() == bits);
            let mut list = vec![true; bits as usize];
            for step in 0..3 * bits {
                let (bit, value) = (step * 7 % bits, step % 3 == 0);
                assert_eq!(map.set(bit, value), list[bit as usize] != value);
                list[bit as usize] = value;
                assert_eq!(map.ones(), list.iter().filter(|&&one| one).count() as u64);
                let from = step % bits;
                let zero = (from..bits).find(|&bit| !list[bit as usize]);
                assert_eq!(map.find_zero(from), zero.map_or(Found::Nothing, Found::Bit));
                assert_eq!(map.get(bit), value);
            }
            assert!(!map.get(bits) && !map.set(bits, true), "there is no bit past the end");
        }
    }

    #[test]
    fn a_long_look_takes_breaks() {
        let mut map = Bitmap::new(1 << 20, true).unwrap();
        map.set((1 << 20) - 1, false);
        let (mut from, mut breaks) = (0, 0);
        loop {
            match map.find_zero(from) {
                Found::NotBefore(next) => (from, breaks) = (next, breaks + 1),
                found => break assert_eq!(found, Found::Bit((1 << 20) - 1)),
            }
        }
        assert_eq!(breaks, (1 << 20) / 64 / SCAN - 1);
    }
}
