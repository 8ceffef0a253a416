use std::vec::Vec;

use proptest::prelude::*;

use crate::testing::{construct, map, printed};

#[test]
fn prints_as_linux_does() {
    let (args, status) = printed("0 96 striped 3 16 a 0 b 32 a 512");
    assert_eq!(args, "3 16 a 0 b 32 a 512");
    assert_eq!(status, "3 a b a 1 AAA");
}

#[test]
fn one_stripe_is_linear() {
    let (target, _) = construct("0 900 striped 1 100 a 100").unwrap();
    assert_eq!(map(&*target, 0, 900), (0, 100, 100));
    assert_eq!(map(&*target, 250, 500), (0, 350, 50));
}

const REFUSED: &[(&str, &str)] = &[
    ("0 96 striped", "1:13: expected the number of stripes, found the end of the line"),
    ("0 96 striped 0 16", "1:14: the number of stripes must be from 1 to 4294967295, found 0"),
    (
        "0 96 striped 2 0 a 0 b 0",
        "1:16: the chunk in sectors must be from 1 to 4294967295, found 0",
    ),
    (
        "0 96 striped 2 4294967296 a 0 b 0",
        "1:16: the chunk in sectors must be from 1 to 4294967295, found 4294967296",
    ),
    (
        "0 97 striped 2 16 a 0 b 0",
        "the length, 97 sectors, is not a multiple of the number of stripes, 2",
    ),
    (
        "0 48 striped 2 16 a 0 b 0",
        "the length, 48 sectors, is not a multiple of stripes times chunk, 32",
    ),
    ("0 96 striped 3 16 a 0 b 0", "1:26: expected a device, found the end of the line"),
    (
        "0 96 striped 3 16 a 0 b 0 a",
        "1:28: expected the offset in sectors, found the end of the line",
    ),
    ("0 96 striped 3 16 a 0 b 0 a 0 b", "1:31: expected the end of the line, found `b`"),
    (
        "0 96 striped 3 16 a 0 b 0 a 969",
        "1:29: 32 sectors from sector 969 on do not fit on `a`, which has 1000",
    ),
    (
        "0 8 striped 2 4 disk\\ of\\ 4k 0 a 0",
        "1:17: the length 4 is not a multiple of the device's logical block, 8 sectors",
    ),
    (
        "0 48 striped 2 12 disk\\ of\\ 4k 0 a 0",
        "1:16: the chunk 12 is not a multiple of the device's logical block, 8 sectors",
    ),
    // A number of stripes that is only claimed must not cost memory.
    ("0 4294967295 striped 4294967295 1 a 0", "1:38: expected a device, found the end of the line"),
];

#[test]
fn refuses_with_place_and_reason() {
    for (line, message) in REFUSED {
        assert_eq!(construct(line).err().as_deref(), Some(*message), "{line}");
    }
}

/// Deals out chunks the slow way: device, and sector on it, of the `at`-th sector.
fn oracle(at: u64, chunk: u64, starts: &[u64]) -> (u32, u64) {
    let stripes = starts.len() as u64;
    let stripe = (at / chunk) % stripes;
    (stripe as u32, starts[stripe as usize] + at / chunk / stripes * chunk + at % chunk)
}

proptest! {
    #[test]
    fn every_sector_lies_where_the_oracle_says(
        stripes in 1usize..6, chunk in 1u64..40, rows in 1u64..8, at: u64, sectors in 1u64..200,
    ) {
        let names = ["a", "b", "c", "8:17", "disk\\ of\\ 4k"];
        let starts: Vec<u64> = (0..stripes as u64).map(|n| n * 8).collect();
        // The last of them has blocks of 8 sectors.
        let chunk = if stripes == 5 { chunk.next_multiple_of(8) } else { chunk };
        let length = chunk * stripes as u64 * rows;
        let extents: std::string::String =
            starts.iter().zip(names).map(|(start, name)| std::format!(" {name} {start}")).collect();
        let line = std::format!("0 {length} striped {stripes} {chunk}{extents}");
        let (target, _) = construct(&line).unwrap();
        let at = at % length;
        let (device, sector, taken) = map(&*target, at, sectors);
        prop_assert!(taken >= 1 && taken <= sectors);
        for n in 0..taken {
            prop_assert_eq!((device, sector + n), oracle(at + n, chunk, &starts));
        }
    }

    #[test]
    fn sectors_past_32_bits_too(at in 0u64..(1 << 62), chunk in 1u64..u64::from(u32::MAX)) {
        let length = (u64::MAX / 4 / chunk) * chunk;
        let line = std::format!("0 {} striped 2 {chunk} c 5 c 7", length * 2);
        let (target, _) = construct(&line).unwrap();
        let (device, sector, _) = map(&*target, at, 1);
        let expected = oracle(at, chunk, &[5, 7]).1;
        prop_assert_eq!((device, sector), (0, expected));
    }
}
