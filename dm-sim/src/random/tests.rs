use super::Random;

#[test]
fn the_published_sequence() {
    // The first values for seed 1234567, as listed with the algorithm.
    let mut random = Random::new(1_234_567);
    let first: Vec<u64> = (0..3).map(|_| random.number()).collect();
    assert_eq!(first, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
}

#[test]
fn bounds_are_kept_and_reached() {
    let mut random = Random::new(1);
    let mut seen = [0u32; 7];
    for _ in 0..7000 {
        seen[random.between(3, 9) as usize - 3] += 1;
    }
    assert!(seen.iter().all(|&times| times > 800), "{seen:?}");
    assert_eq!(random.below(0), 0);
}
