use std::vec;

use super::*;
use crate::DeviceId;

fn legs(count: u32) -> Legs {
    let leg = |n| Leg {
        extent: Extent { device: DeviceId(n), start: Sector::ZERO },
        id: 100 + u64::from(n),
    };
    let shared = Arc::try_new(Shared::new(count as usize, 1).unwrap()).unwrap();
    Legs::new((0..count).map(leg).collect(), shared)
}

#[test]
fn the_first_leg_that_the_log_does_not_name_is_believed() {
    for (stale, source, good) in
        [(vec![], 0, 0b001), (vec![100], 1, 0b010), (vec![101, 100], 2, 0b100)]
    {
        let mut legs = legs(3);
        legs.loaded(&Stale::from_slice(&stale).unwrap(), false);
        assert_eq!((legs.source(), legs.good()), (source, good));
    }
}

#[test]
fn the_last_good_leg_is_not_buried_and_others_are() {
    let mut legs = legs(3);
    legs.revive(true);
    assert!(legs.bury(0b001));
    assert_eq!((legs.alive(), legs.good()), (0b110, 0b110));
    legs.good = 0b010;
    assert!(!legs.bury(0b110), "all that are good have failed");
    assert_eq!((legs.alive(), legs.good(), legs.any_dead()), (0b010, 0b010, true));
}

#[test]
fn legs_take_turns_at_reads() {
    let mut legs = legs(3);
    let turns = [0; 7].map(|_| {
        let leg = legs.pick(0b111).unwrap();
        legs.read_done(leg);
        leg
    });
    assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0]);
    assert_eq!(legs.pick(0), None);
}

#[test]
fn the_leg_with_the_least_to_read_is_next() {
    let mut legs = legs(2);
    (0..3).for_each(|_| assert_eq!(legs.pick(0b01), Some(0)));
    assert_eq!([0; 3].map(|_| legs.pick(0b11)), [Some(1); 3]);
    (0..3).for_each(|_| legs.read_done(0));
    assert_eq!([0; 3].map(|_| legs.pick(0b11)), [Some(0); 3]);
}

#[test]
fn legs_that_never_failed_are_read_first() {
    let mut legs = legs(3);
    legs.blame(0b001, Letter::ReadFailed);
    assert_eq!([0; 4].map(|_| legs.pick(0b011)), [Some(1); 4]);
    legs.blame(0b010, Letter::Dead);
    assert_eq!(legs.pick(0b001), Some(0), "there is no other");
    assert!(legs.pick(0b011).is_some());
}
