use std::vec::Vec;

use super::{AT_LEAST, Buckets};
use crate::SectorIndex;

fn in_buckets(ends: &[u64]) -> Option<Buckets<u32>> {
    Buckets::build(ends).unwrap()
}

/// A hundred heaps of `heap` keys in a row, far from one another.
fn heaps(heap: u64) -> Vec<u64> {
    (0..100).flat_map(|n| (0..heap).map(move |m| (n << 10) + m)).collect()
}

#[test]
fn a_bucket_has_at_most_sixteen_keys() {
    assert!(in_buckets(&heaps(15)).is_some());
    assert!(in_buckets(&heaps(16)).is_some());
    assert!(in_buckets(&heaps(17)).is_none());
}

/// Nine keys close together, 1,024 sectors on nine more, and 82 far and wide: a bucket cannot be longer.
#[test]
fn there_are_no_more_buckets_than_a_quarter_of_the_keys() {
    for last in (20..30).flat_map(|n| [(n << 10) - 1, n << 10, (n << 10) + 1]) {
        let heaps = (0..9).chain(1024..1033);
        let others = (1..=82).map(|n| 2048 + (last - 2048) * n / 82);
        let ends: Vec<u64> = heaps.chain(others).collect();
        let buckets = last / 1024 + 1;
        let few = buckets * AT_LEAST <= ends.len() as u64;
        let built = in_buckets(&ends);
        assert_eq!(built.is_some(), few, "{buckets} buckets for {} keys", ends.len());
        let starts = built.map_or(0, |built| built.memory() - 4 * (ends.len() + 16));
        assert!(starts <= ends.len(), "{starts} bytes for {} keys", ends.len());
    }
}
