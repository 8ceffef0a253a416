use super::{Media, Random, SECTOR};

fn media() -> Media {
    Media::new(4)
}

fn write(media: &mut Media, sector: u64, byte: u8, durable: bool) {
    media.begin_write();
    media.put(sector, &[byte; SECTOR], durable);
}

/// What a sector may hold after a power cut, in order.
fn after_cuts(prepare: impl Fn(&mut Media)) -> Vec<u8> {
    let mut seen = Vec::new();
    for seed in 0..200 {
        let mut media = media();
        prepare(&mut media);
        media.cut(&mut Random::new(seed));
        let byte = media.bytes()[0];
        assert!(media.bytes()[..SECTOR].iter().all(|other| *other == byte), "a torn sector");
        seen.push(byte);
    }
    seen.sort_unstable();
    seen.dedup();
    seen
}

#[test]
fn a_write_can_be_read_at_once_and_may_be_lost() {
    let mut media = media();
    write(&mut media, 0, 1, false);
    assert_eq!(media.bytes()[0], 1);
    assert_eq!(after_cuts(|media| write(media, 0, 1, false)), [0, 1]);
}

#[test]
fn a_power_cut_may_leave_any_version_since_the_last_flush() {
    let seen = after_cuts(|media| {
        write(media, 0, 1, false);
        write(media, 0, 2, false);
        media.flush(media.writes());
        write(media, 0, 3, false);
        write(media, 0, 4, false);
    });
    assert_eq!(seen, [2, 3, 4]);
}

#[test]
fn a_flush_is_about_what_was_written_before_it_began() {
    let seen = after_cuts(|media| {
        write(media, 0, 1, false);
        let begun = media.writes();
        write(media, 0, 2, false);
        media.flush(begun);
    });
    assert_eq!(seen, [1, 2]);
}

#[test]
fn a_durable_write_lasts_by_itself() {
    let seen = after_cuts(|media| {
        write(media, 0, 1, false);
        write(media, 0, 2, true);
    });
    assert_eq!(seen, [2]);
}

#[test]
fn sectors_are_lost_one_by_one() {
    let mut mixed = 0;
    for seed in 0..100 {
        let mut media = media();
        media.begin_write();
        media.put(0, &[1; SECTOR], false);
        media.put(1, &[1; SECTOR], false);
        media.cut(&mut Random::new(seed));
        mixed += usize::from(media.bytes()[0] != media.bytes()[SECTOR]);
        assert_eq!(media.cut(&mut Random::new(seed)), 0, "what is left lasts");
    }
    assert!(mixed > 10, "{mixed}");
}
