use std::string::ToString;

use super::*;

#[test]
fn the_commonest_shape_is_taken_and_no_other() {
    let padding = "8 8 linear 8:1 8\n".repeat(3);
    for (text, line) in [
        ("0 8 linear 8:1 16\n", Some("0 8 linear 8:1 16")),
        ("0 8 linear 8:1 16\r\n", Some("0 8 linear 8:1 16")),
        ("0 8 zero\n", Some("0 8 zero")),
        ("0 8 a-very-long-target-type\targ \n", Some("0 8 a-very-long-target-type arg")),
        ("123456789012 12345678 zero\n", Some("123456789012 12345678 zero")),
        (" 0 8 zero\n", None),
        (" 8 8 zero\n", None),
        ("0  8 zero\n", None),
        ("0 8  zero\n", None),
        ("0 8 \n", None),
        ("0 8\n", None),
        ("0\n", None),
        ("\n", None),
        ("# 0 8 zero\n", None),
        ("0 0 zero\n", None),
        ("-0 8 zero\n", None),
        ("0 8x zero\n", None),
        ("18446744073709551616 8 zero\n", None),
        ("18446744073709551615 8 zero\n", None),
        ("0 8 zer\\o\n", None),
        ("0 8 z\u{e9}ro\n", None),
        ("0 8 linear 8:1\0 16\n", None),
        ("0 8 zero\x1b\n", None),
        // Eight bytes apart, so at the same place of two numbers.
        ("0 8 linear \08:1 166\0\n", None),
    ] {
        let text = text.to_string() + &padding;
        let found = read(text.as_bytes(), Position::START);
        assert_eq!(
            found.as_ref().map(|(line, _)| line.to_string()),
            line.map(str::to_string),
            "{text:?}"
        );
        if let Some((_, tail)) = found {
            assert_eq!(tail, padding.as_bytes());
        }
    }
    assert!(read(b"0 8 zero", Position::START).is_none());
}

#[test]
fn a_line_ends_with_its_line_feed_however_long_it_is() {
    let behind = "8 8 linear 8:1 8\n".repeat(100);
    for length in 1..200 {
        let line = "0 8 linear ".to_string() + &"a".repeat(length);
        let text = line.clone() + "\n" + &behind;
        let (found, tail) = read(text.as_bytes(), Position::START).unwrap();
        assert_eq!((found.to_string(), tail), (line, behind.as_bytes()));
    }
}
