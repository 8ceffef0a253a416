//! What each form of an index says of itself and of its lines; batches in trees too large for a cache.

#![cfg(feature = "alloc")]

use dm_btree::{BTree, BTree32, BTree64, Index, Instructions, Key, Node, SectorIndex, Staged};

/// A form, and the last sectors of lines that make an index take it.
fn forms() -> Vec<(&'static str, Vec<u64>)> {
    let even = |count: u64, length: u64| (1..=count).map(|n| n * length - 1).collect();
    let uneven = |short: u64, last: u64| (1..=short).chain([last]).collect();
    vec![
        ("few", Vec::new()),
        ("one", even(1, 8)),
        ("few", even(4, 8)),
        ("flat", even(16, 8)),
        ("flat", even(17, 8)),
        ("flat", even(64, 8)),
        ("buckets", even(1000, 8)),
        ("buckets", even(1000, (1 << 40) + 1)),
        ("32-bit", uneven(1000, (1 << 31) - 1)),
        ("64-bit", uneven(1000, 1 << 32)),
        ("staged", uneven(100_000, 1 << 32)),
    ]
}

#[test]
fn lines_lie_one_behind_the_other() {
    for (form, ends) in forms() {
        let index = Index::build(ends.clone()).unwrap();
        assert_eq!(index.form(), form);
        assert_eq!(index.len(), ends.len(), "{form}");
        assert_eq!(index.is_empty(), ends.is_empty(), "{form}");
        let mut first = 0;
        for (n, end) in ends.iter().enumerate() {
            assert_eq!(index.line(n), Some((first, *end)), "{form}: line {n}");
            assert_eq!(index.key(n), Some(*end), "{form}: key {n}");
            assert_eq!(index.lookup(first), Some(n), "{form}: where line {n} begins");
            assert_eq!(index.lookup(*end), Some(n), "{form}: where line {n} ends");
            first = end + 1;
        }
        for behind in [ends.len(), ends.len() + 1, usize::MAX] {
            assert_eq!(index.line(behind), None, "{form}");
            assert_eq!(index.key(behind), None, "{form}");
        }
        assert_eq!(index.lookup(first), None, "{form}: behind the last line");
    }
}

/// A node and a bucket are searched in place, so with nothing that would be a call.
#[test]
fn an_index_names_its_form_and_instructions() {
    for (form, ends) in forms() {
        for asked in Instructions::available() {
            let index = Index::build(ends.clone()).unwrap().with(asked);
            let in_place = if asked == Instructions::SCALAR { asked } else { Instructions::BASE };
            let wide = ends.last().is_some_and(|last| *last >= 1 << 40);
            let used = match form {
                "one" | "few" => Instructions::SCALAR,
                "buckets" if wide => Instructions::SCALAR,
                "buckets" => in_place,
                "flat" if ends.len() <= 16 => in_place,
                _ => asked,
            };
            let name = asked.name();
            assert!(index.instructions() == used, "{form} of {}, asked for {name}", ends.len());
            assert_eq!(index.to_string(), format!("{form}, {}", index.instructions().name()));
        }
        let best = Index::build(ends.clone()).unwrap();
        let again = Index::build(ends).unwrap().with(Instructions::best());
        assert_eq!(best.instructions(), again.instructions(), "{form}: the best unless asked");
    }
    let keys = [1, 1 << 33];
    for asked in Instructions::available() {
        let tree = BTree64::build(&keys, Vec::new()).unwrap().with(asked);
        let staged = Staged::build(&keys, Vec::new(), Vec::new()).unwrap().with(asked);
        assert_eq!((tree.instructions(), staged.instructions()), (asked, asked));
    }
}

#[test]
fn memory_is_what_is_held_apart_from_the_value_itself() {
    for (form, ends) in forms() {
        let (len, index) = (ends.len(), Index::build(ends).unwrap());
        // A byte or two more a key for what finds it, and the padding of small ones.
        let least = match form {
            "one" | "few" | "flat" => 0,
            "64-bit" => 8 * len,
            _ => 4 * len,
        };
        let most = if least == 0 { 0 } else { 11 * len + 1024 };
        assert!((least..=most).contains(&index.memory()), "{form}: {} bytes", index.memory());
        assert_eq!(SectorIndex::memory(&index), index.memory());
    }
    let keys: Vec<u64> = (0..20).collect();
    let mut lent = [Node::<u64>::default(); 5];
    assert_eq!(BTree64::build(&keys, &mut lent[..]).unwrap().memory(), 5 * 64, "all that was lent");
    let fixed = heapless::Vec::<_, 9>::new();
    assert_eq!(BTree64::build(&keys, fixed).unwrap().memory(), 4 * 64, "what is in use of it");
}

/// A batch over `index` against one sector at a time: full groups of sixteen and what is left of one,
/// sectors past 32 bits and behind the last key among the others, and less room than sectors.
fn batch_is_one_by_one(name: &str, index: &impl SectorIndex, keys: &[u64]) {
    let last = keys[keys.len() - 1];
    let mut sectors: Vec<u64> = (0..500)
        .flat_map(|n| {
            let key = keys[(n * 7919) % keys.len()];
            [key, key + 1, key.saturating_sub(1)]
        })
        .collect();
    sectors.extend([0, last, last + 1, u64::from(u32::MAX)]);
    for at in [100, 333, 1000] {
        sectors[at] = u64::MAX;
        sectors[at + 20] = u64::from(u32::MAX) + 1;
    }
    let one_by_one: Vec<_> = sectors
        .iter()
        .map(|sector| {
            let n = keys.partition_point(|key| key < sector);
            (n < keys.len()).then_some(n)
        })
        .collect();
    for room in [0, 1, 15, 16, 17, 160, 1000, sectors.len(), sectors.len() + 1] {
        let mut out = vec![Some(7); room];
        index.lookup_batch(&sectors, &mut out);
        let count = room.min(sectors.len());
        let wrong = (0..count).find(|&n| out[n] != one_by_one[n]);
        assert_eq!(wrong, None, "{name}: room for {room}");
        assert!(out[count..].iter().all(|left| *left == Some(7)), "{name}: wrote past the end");
    }
}

#[test]
fn a_large_tree_answers_a_batch_as_one_by_one() {
    fn tree<K: Key>(keys: &[u64]) -> BTree<K, Vec<Node<K>>> {
        let tree = BTree::<K, _>::build(keys, Vec::new()).unwrap();
        assert!(tree.memory() > 256 << 10, "large enough to be searched abreast");
        tree
    }
    // With a root of one node and of four, and with one level more or less.
    for count in [33_000, 40_000, 65_000, 80_000, 120_000] {
        let keys: Vec<u64> = (1..=count).map(|n| 5 * n).collect();
        for instructions in Instructions::available() {
            let name = format!("{count} keys, {}", instructions.name());
            batch_is_one_by_one(&name, &tree::<u64>(&keys).with(instructions), &keys);
            let narrow = BTree32::build(&keys, Vec::new()).unwrap();
            batch_is_one_by_one(&name, &narrow.with(instructions), &keys);
        }
    }
    // Too uneven for buckets, and of 32 bits once the low bits are left out.
    let ends: Vec<u64> = (1..=80_000).chain([1 << 28]).map(|n| (n << 12) - 1).collect();
    let index = Index::build(ends.clone()).unwrap();
    assert_eq!(index.form(), "32-bit");
    batch_is_one_by_one("without low bits", &index, &ends);
}

/// Six levels below a root of one node, and of four: more than have code of their own.
#[test]
fn a_tree_is_as_high_as_it_must_be() {
    let (least, least_of_four) = (33 * 9_u64.pow(4) + 1, 9_u64.pow(6) + 1);
    for leaves in [least, least_of_four] {
        let keys: Vec<u64> = (1..=8 * leaves).map(|n| 5 * n).collect();
        let mut tree = BTree64::build(&keys, Vec::new()).unwrap();
        for instructions in Instructions::available() {
            tree = tree.with(instructions);
            for n in (0..keys.len()).step_by(99_991).chain([keys.len() - 1]) {
                let found = [keys[n] - 4, keys[n], keys[n] + 1].map(|sector| tree.lookup(sector));
                let next = Some(n + 1).filter(|next| *next < keys.len());
                assert_eq!(found, [Some(n), Some(n), next], "key {n}, {}", instructions.name());
            }
        }
    }
}
