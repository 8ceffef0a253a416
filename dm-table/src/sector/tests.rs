use super::*;

#[test]
fn a_range_has_sectors_and_an_end() {
    let range = |start, length| SectorRange::new(Sector::new(start), Sectors::new(length));
    assert_eq!(range(0, 0), None);
    assert_eq!(range(1, u64::MAX), None);
    let last = range(0, u64::MAX).expect("every sector but the last");
    assert_eq!(last.end(), Sector::new(u64::MAX));
    let some = range(8, 4).expect("four sectors");
    assert_eq!(
        (some.start(), some.length(), some.end()),
        (Sector::new(8), Sectors::new(4), Sector::new(12))
    );
    for (sector, inside) in [(7, false), (8, true), (11, true), (12, false)] {
        assert_eq!(some.contains(Sector::new(sector)), inside, "{sector}");
    }
}

#[test]
fn arithmetic_says_where_64_bits_end() {
    let last = Sector::new(u64::MAX);
    assert_eq!(last.checked_add(Sectors::ZERO), Some(last));
    assert_eq!(last.checked_add(Sectors::new(1)), None);
    assert_eq!(last.saturating_add(Sectors::new(1)), last);
    assert_eq!(Sector::new(5).distance_from(Sector::new(2)), Some(Sectors::new(3)));
    assert_eq!(Sector::new(2).distance_from(Sector::new(5)), None);
    assert_eq!(Sectors::new(2).checked_add(Sectors::new(5)), Some(Sectors::new(7)));
    assert_eq!(Sectors::new(u64::MAX).checked_add(Sectors::new(1)), None);
    assert_eq!(Sectors::new(2).saturating_sub(Sectors::new(5)), Sectors::ZERO);
}

#[test]
fn a_sector_is_512_bytes() {
    assert_eq!(Sector::new(3).byte_offset(), Some(1536));
    assert_eq!(Sector::new(1 << 55).byte_offset(), None);
    assert_eq!(Sectors::new(3).bytes(), Some(1536));
    assert_eq!(Sectors::new(1 << 55).bytes(), None);
    assert_eq!(Sectors::from_bytes(1535), Sectors::new(2));
}
