//! The index in every form against a linear scan.

use arbitrary::{Arbitrary, Unstructured};
use dm_btree::{BTree32, BTree64, BuildError, Index, Instructions, SectorIndex, Staged};

/// How keys follow one another.
#[derive(Arbitrary, Debug)]
struct Case {
    /// Zeros behind each key, as a volume aligned to extents has them: its last sectors end in ones.
    shift: u8,
    /// How far the first key is from sector 0, in units of 2^32.
    base: u16,
    /// Differences of keys; a zero makes them invalid.
    steps: Vec<(u16, u8)>,
    /// The steps are taken this many times.
    rounds: u8,
}

/// Keys that do not increase are refused. All others are found, by every form and with all
/// instructions, one by one and in a batch, as a linear scan finds them.
pub fn run(data: &[u8]) {
    let Ok(case) = Case::arbitrary(&mut Unstructured::new(data)) else { return };
    let mut keys: Vec<u64> = Vec::new();
    let mut end = u64::from(case.base) << 32;
    for _ in 0..case.rounds.clamp(1, 64) {
        for (step, exponent) in &case.steps {
            end = end.wrapping_add(u64::from(*step) << (exponent % 48));
            keys.push((end << (case.shift % 16)).wrapping_sub(1));
        }
    }
    keys.truncate(5000);
    let increasing = keys.is_sorted_by(|a, b| a < b);
    let wrong = keys.windows(2).position(|pair| pair[0] >= pair[1]).map(|n| n + 1);
    let index = match (Index::build(keys.clone()), wrong) {
        (Ok(index), None) => index,
        (Err(BuildError::NotIncreasing { at }), Some(wrong)) => return assert_eq!(at, wrong),
        (built, wrong) => panic!("{built:?}, but wrong is {wrong:?}"),
    };
    assert!(increasing);
    let fits = keys.last().is_none_or(|last| u32::try_from(*last).is_ok());
    let narrow = BTree32::build(&keys, Vec::new());
    assert_eq!(narrow.is_ok(), fits);
    let wide = BTree64::build(&keys, Vec::new()).expect("keys in order");
    let staged = Staged::build(&keys, Vec::new(), Vec::new()).expect("keys in order");

    let mut sectors: Vec<u64> = vec![0, u64::MAX, u64::from(u32::MAX), 1 << 32];
    for key in keys.iter().step_by(1 + keys.len() / 50) {
        sectors.extend([key.wrapping_sub(1), *key, key.wrapping_add(1), key ^ (1 << 32)]);
    }
    let scan = |sector: &u64| keys.iter().position(|key| key >= sector);
    let expected: Vec<_> = sectors.iter().map(scan).collect();
    for with in Instructions::available() {
        check(&index.clone().with(with), &keys, &sectors, &expected);
        check(&wide.clone().with(with), &keys, &sectors, &expected);
        check(&staged.clone().with(with), &keys, &sectors, &expected);
        if let Ok(narrow) = &narrow {
            check(&narrow.clone().with(with), &keys, &sectors, &expected);
        }
    }
    for n in 0..keys.len() {
        let first = n.checked_sub(1).map_or(0, |before| keys[before] + 1);
        assert_eq!(index.line(n), Some((first, keys[n])));
    }
    assert_eq!(index.line(keys.len()), None);
}

fn check(index: &dyn SectorIndex, keys: &[u64], sectors: &[u64], expected: &[Option<usize>]) {
    assert_eq!(index.len(), keys.len());
    let found: Vec<_> = sectors.iter().map(|sector| index.lookup(*sector)).collect();
    assert_eq!(found, expected);
    let mut batch = vec![None; sectors.len()];
    index.lookup_batch(sectors, &mut batch);
    assert_eq!(batch, expected);
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(index.key(n), Some(*key));
    }
    assert_eq!(index.key(keys.len()), None);
}
