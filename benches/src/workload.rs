//! What is looked up in what: tables and queries, from a fixed seed.

/// A small generator of random numbers (splitmix64), the same on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator with this seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        ((u128::from(z) * u128::from(bound)) >> 64) as u64
    }
}

/// The last sector of each of `targets` lines of 8 to 8 * `blocks` sectors, in multiples of 8.
pub fn ends(targets: usize, blocks: u64) -> Vec<u64> {
    let mut random = Random::new(targets as u64);
    let mut end = 0;
    (0..targets)
        .map(|_| {
            end += 8 * (1 + random.below(blocks));
            end - 1
        })
        .collect()
}

/// The last sector of each of `targets` lines of 8 sectors to half a million, short ones by far the most:
/// as many of them are between 8 and 16 sectors long as between 16 and 32, and so on.
pub fn uneven_ends(targets: usize) -> Vec<u64> {
    let mut random = Random::new(targets as u64);
    let mut end = 0;
    (0..targets)
        .map(|_| {
            let least = 1 << random.below(16);
            end += 8 * (least + random.below(least));
            end - 1
        })
        .collect()
}

/// `count` sectors at random from a table that ends with sector `last`.
pub fn random_queries(last: u64, count: usize) -> Vec<u64> {
    let mut random = Random::new(42);
    (0..count).map(|_| random.below(last + 1)).collect()
}

/// `count` sectors in order, in equal steps through the whole of a table that ends with `last`.
pub fn sequential_queries(last: u64, count: usize) -> Vec<u64> {
    let step = (last + 1) as f64 / count as f64;
    (0..count).map(|n| ((n as f64 * step) as u64).min(last)).collect()
}
