use std::vec::Vec;

use super::*;

/// Start and length of a line; `None` is one that could not be read.
type Read = (Option<u64>, Option<u64>);

/// Which of these lines stand in the wrong place.
fn misplaced(lines: &[Read]) -> Vec<usize> {
    let mut sequence = Sequence::START;
    let place = |&(start, length): &Read| {
        sequence.place(start.map(Sector::new), length.map(Sectors::new)).is_err()
    };
    let verdicts: Vec<bool> = lines.iter().map(place).collect();
    (0..lines.len()).filter(|&line| verdicts[line]).collect()
}

#[test]
fn one_mistake_is_one_error() {
    let cases: [(&[Read], &[usize]); 12] = [
        (&[(Some(0), Some(8)), (Some(8), Some(8)), (Some(16), Some(1))], &[]),
        // The first is not at 0; the next goes on from what it says, or from where it belongs.
        (&[(Some(8), Some(8)), (Some(16), Some(8))], &[0]),
        (&[(Some(8), Some(8)), (Some(8), Some(8))], &[0]),
        // A start mistyped, a length mistyped.
        (&[(Some(0), Some(8)), (Some(80), Some(8)), (Some(16), Some(8))], &[1]),
        (&[(Some(0), Some(80)), (Some(8), Some(8)), (Some(16), Some(8))], &[1]),
        // A line left out.
        (&[(Some(0), Some(8)), (Some(16), Some(8)), (Some(24), Some(8))], &[1]),
        // Neither way goes on.
        (&[(Some(0), Some(8)), (Some(80), Some(8)), (Some(17), Some(8))], &[1, 2]),
        // Unreadable: the start is taken to be right, behind the length anything goes.
        (&[(Some(0), Some(8)), (None, Some(8)), (Some(16), Some(8))], &[]),
        (&[(Some(0), Some(8)), (None, Some(8)), (Some(17), Some(8))], &[2]),
        (&[(Some(0), None), (Some(70), Some(8)), (Some(78), Some(8))], &[]),
        (&[(None, None), (Some(70), Some(8)), (Some(79), Some(8))], &[2]),
        // Behind an end past 64 bits too.
        (&[(Some(0), Some(u64::MAX)), (Some(u64::MAX), Some(1)), (Some(5), Some(1))], &[]),
    ];
    for (lines, expected) in cases {
        assert_eq!(misplaced(lines), expected, "{lines:?}");
    }
}

#[test]
fn following_is_being_placed_right() {
    let range = |start, length| {
        SectorRange::new(Sector::new(start), Sectors::new(length)).expect("a range")
    };
    let mut sequence = Sequence::START;
    assert!(!sequence.follow(range(1, 8)));
    assert!(sequence.follow(range(0, 8)));
    assert!(!sequence.follow(range(9, 8)));
    assert!(sequence.follow(range(8, 8)));
    let (expected, found) = (Sector::new(16), Sector::new(15));
    assert_eq!(
        sequence.place(Some(found), Some(Sectors::new(1))),
        Err(TableReason::Overlap { expected, found })
    );
    // Two ways to go on: not the short cut's to judge.
    assert!(!sequence.follow(range(16, 8)));
}
