//! One suite that every form passes in every storage, against a linear scan.

use std::format;
use std::thread;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use crate::{
    BTree, BTree32, BTree64, BuildError, Group, Index, Instructions, Key, SectorIndex, Staged,
};

/// The oracle: the number of the first key that is not below `sector`.
fn scan(keys: &[u64], sector: u64) -> Option<usize> {
    keys.iter().position(|key| *key >= sector)
}

/// Runs `check` on each form, in each storage that holds it, searched by each set of instructions.
fn each_form(keys: &[u64], mut check: impl FnMut(&str, &dyn SectorIndex)) {
    for instructions in Instructions::available() {
        each_storage(keys, instructions, |name, index| {
            check(&format!("{name}, {}", instructions.name()), index);
        });
    }
}

fn each_storage(
    keys: &[u64],
    instructions: Instructions,
    mut check: impl FnMut(&str, &dyn SectorIndex),
) {
    let mut room = vec![<u64 as Key>::FILL; BTree64::<Vec<_>>::nodes_for(keys.len()).unwrap()];
    check("64-bit lent", &BTree64::build(keys, &mut room[..]).unwrap().with(instructions));
    check("64-bit owned", &BTree64::build(keys, Vec::new()).unwrap().with(instructions));
    if room.len() <= 16 {
        check(
            "64-bit fixed",
            &BTree64::build(keys, heapless::Vec::<_, 16>::new()).unwrap().with(instructions),
        );
    }
    if keys.last().is_none_or(|last| u32::try_from(*last).is_ok()) {
        let mut room = vec![<u32 as Key>::FILL; BTree32::<Vec<_>>::nodes_for(keys.len()).unwrap()];
        check("32-bit lent", &BTree32::build(keys, &mut room[..]).unwrap().with(instructions));
        check("32-bit owned", &BTree32::build(keys, Vec::new()).unwrap().with(instructions));
        if room.len() <= 16 {
            check(
                "32-bit fixed",
                &BTree32::build(keys, heapless::Vec::<_, 16>::new()).unwrap().with(instructions),
            );
        }
    }
    let (nodes, groups) = Staged::<Vec<_>, Vec<_>>::room_for(keys).unwrap();
    let mut node_room = vec![<u32 as Key>::FILL; nodes];
    let mut group_room = vec![Group::default(); groups];
    check(
        "staged lent",
        &Staged::build(keys, &mut node_room[..], &mut group_room[..]).unwrap().with(instructions),
    );
    check("staged owned", &Staged::build(keys, Vec::new(), Vec::new()).unwrap().with(instructions));
    if nodes <= 16 && groups <= 16 {
        let (nodes, groups) = (heapless::Vec::<_, 16>::new(), heapless::Vec::<_, 16>::new());
        check("staged fixed", &Staged::build(keys, nodes, groups).unwrap().with(instructions));
    }
    let index = Index::build(keys.to_vec()).unwrap().with(instructions);
    check("chosen", &index);
}

/// Checks each key, and lookups at both ends of each range and around them.
fn agrees(keys: &[u64]) {
    let mut sectors: Vec<u64> = vec![0, 1, u64::from(u32::MAX), 1 << 32, u64::MAX - 1, u64::MAX];
    for key in keys {
        sectors.extend([key.saturating_sub(1), *key, key.saturating_add(1)]);
    }
    let expected: Vec<Option<usize>> = sectors
        .iter()
        .map(|sector| {
            let n = keys.partition_point(|key| key < sector);
            (n < keys.len()).then_some(n)
        })
        .collect();
    each_form(keys, |name, index| {
        assert_eq!(index.len(), keys.len(), "{name}");
        assert_eq!(index.is_empty(), keys.is_empty(), "{name}");
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(index.key(n), Some(*key), "{name}, key {n} of {}", keys.len());
        }
        assert_eq!(index.key(keys.len()), None, "{name}");
        assert_eq!(index.key(usize::MAX), None, "{name}");
        for (sector, expected) in sectors.iter().zip(&expected) {
            assert_eq!(index.lookup(*sector), *expected, "{name}: {sector} in {} keys", keys.len());
        }
        let mut found = vec![Some(7); sectors.len()];
        index.lookup_batch(&sectors, &mut found);
        assert!(found == expected, "{name}: a batch over {} keys", keys.len());
    });
}

#[test]
fn partition_point_is_a_linear_scan() {
    let keys = [3, 4, 9, u64::MAX];
    for sector in [0, 3, 4, 5, 9, 10, u64::MAX] {
        assert_eq!(Some(keys.partition_point(|key| *key < sector)), scan(&keys, sector));
    }
}

#[test]
fn small_and_extreme_tables() {
    let tables: &[&[u64]] = &[
        &[],
        &[0],
        &[u64::MAX],
        &[0, 1, 2, 3, 4, 5, 6, 7],
        &[u64::MAX - 1, u64::MAX],
        &[0, u64::MAX],
        &[u32::MAX as u64],
        &[u32::MAX as u64 - 1, u32::MAX as u64],
        &[u32::MAX as u64, u32::MAX as u64 + 1],
        &[1 << 32, 1 << 33, 1 << 34, 1 << 63],
    ];
    for keys in tables {
        agrees(keys);
    }
}

#[test]
fn an_index_takes_the_form_that_suits_its_keys() {
    let form = |count: u64, length: u64| {
        let ends = (1..=count).map(|n| n * length - 1).collect();
        Index::build(ends).map(|index| index.form())
    };
    assert_eq!(form(0, 1), Ok("few"));
    assert_eq!(form(1, 1), Ok("one"));
    assert_eq!(form(4, 1), Ok("few"));
    assert_eq!(form(5, 1), Ok("flat"));
    assert_eq!(form(64, 1), Ok("flat"));
    assert_eq!(form(64, 1 << 32), Ok("flat"), "aligned");
    assert_eq!(form(5, (1 << 32) + 1), Ok("buckets"), "not aligned");
    assert_eq!(form(65, 1), Ok("buckets"));
    assert_eq!(form(100_000, 1 << 32), Ok("buckets"), "aligned");
    assert_eq!(form(100_000, (1 << 40) + 1), Ok("buckets"), "not aligned");
    assert_eq!(form(1 << 18, 1), Ok("buckets"));
    assert_eq!(form((1 << 18) + 1, 1), Ok("32-bit"), "too many for buckets");
    let round = (1..=1000).map(|n| n << 40).collect();
    assert_eq!(Index::build(round).map(|index| index.form()), Ok("buckets"), "not aligned");
    // Short lines, and a long one.
    let uneven = |short: u64, last: u64| {
        let ends = (1..=short).chain([last]).collect();
        Index::build(ends).map(|index| index.form())
    };
    assert_eq!(uneven(1000, 1 << 31), Ok("32-bit"));
    assert_eq!(uneven(1000, 1 << 32), Ok("64-bit"), "not aligned");
    assert_eq!(uneven(100_000, 1 << 32), Ok("staged"), "not aligned, and dense");
    let far_apart = (1..=20).chain((1..=70_000).map(|n| n << 32)).collect();
    assert_eq!(Index::build(far_apart).map(|index| index.form()), Ok("64-bit"), "not dense");
    assert_eq!(
        Index::build(vec![1 << 40, 1 << 41, 7]).err(),
        Some(BuildError::NotIncreasing { at: 2 })
    );
}

#[test]
fn instructions_are_those_of_the_processor() {
    let mut has = vec!["scalar"];
    #[cfg(target_arch = "aarch64")]
    has.push("NEON");
    #[cfg(target_arch = "x86_64")]
    {
        let counts = std::is_x86_feature_detected!("popcnt");
        has.push("SSE2");
        has.extend((std::is_x86_feature_detected!("avx2") && counts).then_some("AVX2"));
        has.extend((std::is_x86_feature_detected!("avx512f") && counts).then_some("AVX-512"));
    }
    if cfg!(not(feature = "std")) {
        has.truncate(1);
    }
    let names: Vec<_> = Instructions::available().map(Instructions::name).collect();
    assert_eq!(names, has);
    assert_eq!(Some(&Instructions::best().name()), has.last());
}

#[test]
fn a_batch_stops_at_the_shorter_end() {
    let keys: Vec<u64> = (0..100).map(|n| 10 * n).collect();
    let sectors: Vec<u64> = (0..50).collect();
    each_form(&keys, |name, index| {
        for len in [0, 1, 15, 16, 20, 49, 50] {
            let mut out = vec![None; len];
            index.lookup_batch(&sectors, &mut out);
            let expected: Vec<_> = sectors.iter().take(len).map(|s| scan(&keys, *s)).collect();
            assert_eq!(out, expected, "{name}: 50 sectors, room for {len}");
            let mut out = vec![None; 50];
            index.lookup_batch(&sectors[..len], &mut out);
            let (answers, rest) = out.split_at(len);
            assert_eq!(answers, expected, "{name}: {len} sectors, room for 50");
            assert!(rest.iter().all(Option::is_none), "{name}: wrote past {len} answers");
        }
    });
}

/// The last key may be the highest number there is: what is wider does not find it.
#[test]
fn a_batch_finds_no_key_for_sectors_too_wide() {
    let keys: Vec<u64> = (0..80_000).chain([u64::from(u32::MAX)]).collect();
    let tree = BTree32::build(&keys, Vec::new()).unwrap();
    for wide in [1 << 32, u64::MAX] {
        let mut found = [Some(7); 32];
        tree.lookup_batch(&[wide; 32], &mut found);
        assert_eq!(found, [None; 32]);
    }
}

#[test]
fn keys_out_of_order_are_refused() {
    for (keys, at) in [(&[1, 1][..], 1), (&[2, 1], 1), (&[0, 5, 6, 6, 7], 3)] {
        let refused = Some(BuildError::NotIncreasing { at });
        assert_eq!(BTree64::build(keys, Vec::new()).err(), refused);
        assert_eq!(BTree32::build(keys, Vec::new()).err(), refused);
        assert_eq!(Staged::build(keys, Vec::new(), Vec::new()).err(), refused);
    }
}

#[test]
fn a_key_too_wide_is_refused() {
    let refused = Some(BuildError::TooWide { at: 1 });
    assert_eq!(BTree32::build(&[1, 1 << 32], Vec::new()).err(), refused);
}

#[test]
fn storage_too_small_is_refused() {
    let keys: Vec<u64> = (0..65).collect();
    let refused = Some(BuildError::NoRoom { needed: 10 });
    assert_eq!(BTree64::build(&keys, heapless::Vec::<_, 9>::new()).err(), refused);
    assert_eq!(BTree64::build(&keys, &mut [u64::FILL; 9][..]).err(), refused);
    assert!(BTree64::build(&keys, heapless::Vec::<_, 10>::new()).is_ok());
}

/// Of eight keys a node: a root of four nodes has 33 children, one of one node has nine.
#[test]
fn a_tree_has_no_more_levels_than_it_needs() {
    let nodes = |leaves: usize| BTree64::<Vec<_>>::nodes_for(8 * leaves);
    assert_eq!(nodes(1), Ok(1));
    assert_eq!(nodes(4), Ok(4));
    assert_eq!(nodes(9), Ok(1 + 9));
    assert_eq!(nodes(33), Ok(4 + 33));
    assert_eq!(nodes(34), Ok(1 + 4 + 34));
    assert_eq!(nodes(9 * 33), Ok(4 + 33 + 9 * 33));
    assert_eq!(nodes(9 * 33 + 1), Ok(1 + 4 + 34 + 9 * 33 + 1));
}

#[test]
fn more_keys_than_nodes_can_be_numbered() {
    // Each leaf takes an eighth of a node above it.
    assert!(BTree::<u64, Vec<_>>::nodes_for(8 * 3_800_000_000).is_ok());
    let keys = 8 * 3_900_000_000;
    assert_eq!(BTree::<u64, Vec<_>>::nodes_for(keys), Err(BuildError::TooMany { keys }));
    let keys = 1 << 36;
    assert_eq!(BTree::<u64, Vec<_>>::nodes_for(keys), Err(BuildError::TooMany { keys }));
    let keys = usize::MAX;
    assert_eq!(BTree::<u32, Vec<_>>::nodes_for(keys), Err(BuildError::TooMany { keys }));
}

/// Every shape that a form takes up to here. At each size one form with one set of instructions, each
/// in its turn, is asked for both ends of every line; all others for some lines.
#[test]
fn every_size_up_to_20_000() {
    let last = 20_000;
    let near: Vec<u64> = (0..last).map(|n| 3 * n + 1).collect();
    // Past 32 bits, in groups of 6,000 keys, then of 4,000: too uneven for buckets.
    let far: Vec<u64> = (0..last).map(|n| (n / 6000 + 1) << 32 | (n % 6000 * 3 + 1)).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for first in 0..threads {
            let lens = (first..=last as usize).step_by(threads);
            let (near, far) = (&near, &far);
            scope.spawn(move || lens.for_each(|len| size_agrees(len, near, far)));
        }
    });
}

fn size_agrees(len: usize, near: &[u64], far: &[u64]) {
    let instructions: Vec<Instructions> = Instructions::available().collect();
    let (near, far) = (&near[..len], &far[..len]);
    let mut wide = BTree64::build(near, Vec::new()).unwrap();
    let mut narrow = BTree32::build(near, Vec::new()).unwrap();
    let mut staged = Staged::build(far, Vec::new(), Vec::new()).unwrap();
    let [mut even, mut uneven] = [near, far].map(|keys| Index::build(keys.to_vec()).unwrap());
    let all_of = instructions[len / 5 % instructions.len()];
    for &some_of in &instructions {
        wide = wide.with(some_of);
        narrow = narrow.with(some_of);
        staged = staged.with(some_of);
        [even, uneven] = [even, uneven].map(|index| index.with(some_of));
        let all = |form| len % 5 == form && some_of == all_of;
        agrees_at_ends(&wide, near, all(0));
        agrees_at_ends(&narrow, near, all(1));
        agrees_at_ends(&staged, far, all(2));
        agrees_at_ends(&even, near, all(3));
        agrees_at_ends(&uneven, far, all(4));
    }
}

/// Both ends of all lines, or of about thirty with the last ones among them.
fn agrees_at_ends(index: &impl SectorIndex, keys: &[u64], all: bool) {
    let len = keys.len();
    let (step, tail) = if all || len < 30 { (1, 0) } else { (len / 11, 19) };
    for n in (0..len).step_by(step).chain(len - tail..len) {
        let first = if n == 0 { 0 } else { keys[n - 1] + 1 };
        assert_eq!(index.lookup(first), Some(n), "the first sector of line {n} of {len}");
        assert_eq!(index.lookup(keys[n]), Some(n), "the last sector of line {n} of {len}");
    }
    let behind = keys.last().map_or(0, |last| last + 1);
    assert_eq!(index.lookup(behind), None, "behind {len} lines");
    assert_eq!(index.lookup(u64::MAX), None, "{len} lines");
}

proptest! {
    #[test]
    fn random_keys(keys in proptest::collection::btree_set(any::<u64>(), 0..400)) {
        agrees(&keys.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn random_narrow_keys(keys in proptest::collection::btree_set(any::<u32>(), 0..400)) {
        agrees(&keys.into_iter().map(u64::from).collect::<Vec<_>>());
    }

    #[test]
    fn aligned_ends(
        blocks in proptest::collection::btree_set(0..u64::from(u32::MAX), 0..400),
        shift in 0..64_u32,
    ) {
        // Ends as of lines of whole blocks; those past 64 bits are left out.
        let end = |n: u64| (n + 1).checked_mul(1 << shift).map(|behind| behind - 1);
        agrees(&blocks.into_iter().map_while(end).collect::<Vec<_>>());
    }

    #[test]
    fn dense_keys_anywhere(first in any::<u64>(), len in 0..700_u64) {
        agrees(&(0..len).map_while(|n| first.checked_add(n)).collect::<Vec<_>>());
    }

    #[test]
    fn any_sequence_builds_or_is_refused(keys in proptest::collection::vec(0..30_u64, 0..8)) {
        let increasing = keys.is_sorted_by(|a, b| a < b);
        prop_assert_eq!(BTree64::build(&keys, Vec::new()).is_ok(), increasing);
        prop_assert_eq!(BTree32::build(&keys, Vec::new()).is_ok(), increasing);
        prop_assert_eq!(Staged::build(&keys, Vec::new(), Vec::new()).is_ok(), increasing);
    }
}
