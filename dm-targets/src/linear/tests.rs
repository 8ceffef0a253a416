use crate::testing::{construct, map, printed};

#[test]
fn both_forms_make_the_same_target() {
    assert_eq!(printed("0 10 linear 8 17 20").0, "8:17 20");
    assert_eq!(printed("0 10 linear 8:17 20").0, "8:17 20");
    assert_eq!(printed("0 8 linear disk\\ of\\ 4k 16").0, "disk\\ of\\ 4k 16");
}

#[test]
fn sectors_keep_their_distance() {
    let (target, _) = construct("0 900 linear a 100").unwrap();
    assert_eq!(map(&*target, 0, 900), (0, 100, 900));
    assert_eq!(map(&*target, 899, 1), (0, 999, 1));
}

const REFUSED: &[(&str, &str)] = &[
    ("0 10 linear", "1:12: expected a device, found the end of the line"),
    ("0 10 linear a", "1:14: expected the offset in sectors, found the end of the line"),
    ("0 10 linear a b", "1:15: expected the offset in sectors, found `b`: not a decimal number"),
    (
        "0 10 linear a -1",
        "1:15: expected the offset in sectors, found `-1`: the number must have no sign",
    ),
    (
        "0 10 linear a 18446744073709551616",
        "1:15: expected the offset in sectors, found `18446744073709551616`: past 64 bits",
    ),
    ("0 10 linear a 0 x", "1:17: expected the end of the line, found `x`"),
    ("0 10 linear x 0", "1:13: cannot open device `x`: no such device or file"),
    ("0 10 linear a 991", "1:15: 10 sectors from sector 991 on do not fit on `a`, which has 1000"),
    ("0 1001 linear a 0", "1:17: 1001 sectors from sector 0 on do not fit on `a`, which has 1000"),
    (
        "0 10 linear c 18446744073709551615",
        "1:15: 10 sectors from sector 18446744073709551615 on do not fit on `c`, which has 18446744073709551615",
    ),
    (
        "0 8 linear disk\\ of\\ 4k 4",
        "1:25: the offset 4 is not a multiple of the device's logical block, 8 sectors",
    ),
    (
        "0 4 linear disk\\ of\\ 4k 8",
        "1:12: the length 4 is not a multiple of the device's logical block, 8 sectors",
    ),
    ("0 10 linear 8 17", "1:13: cannot open device `8`: no such device or file"),
    (
        "0 10 linear 4294967296 17 0",
        "1:13: expected the major number, found `4294967296`: past 32 bits",
    ),
    ("0 10 linear 9 17 0", "1:13: cannot open device `9`: no such device or file"),
];

#[test]
fn refuses_with_place_and_reason() {
    for (line, message) in REFUSED {
        assert_eq!(construct(line).err().as_deref(), Some(*message), "{line}");
    }
}

#[test]
fn understands_no_message() {
    let (target, _) = construct("0 10 linear a 0").unwrap();
    let words = dm_table::Args::new("pause", dm_table::Position::START);
    let mut answer = std::string::String::new();
    assert_eq!(target.message(words, &mut answer), Err(crate::MessageError::NotUnderstood));
}
