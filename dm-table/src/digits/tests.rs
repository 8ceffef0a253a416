use std::string::String;

use proptest::prelude::*;

use super::*;

#[test]
fn the_largest_number_fits_and_the_next_does_not() {
    for (text, found) in [
        ("", Some((0, 0))),
        ("x", Some((0, 0))),
        ("18446744073709551615", Some((u64::MAX, 20))),
        ("18446744073709551615 and more", Some((u64::MAX, 20))),
        ("00000000000000000000018446744073709551615", Some((u64::MAX, 41))),
        ("18446744073709551616", None),
        ("18446744073709551616 and more", None),
        ("100000000000000000000", None),
        ("99999999999999999999999999999999", None),
    ] {
        assert_eq!(leading(text.as_bytes()), found, "{text}");
    }
}

proptest! {
    #[test]
    fn agrees_with_the_standard_library(zeros in 0..20usize, number: u64, shift in 0..64u32, behind in "([^0-9].*)?") {
        let number = number >> shift;
        let mut text = "0".repeat(zeros);
        text += &std::format!("{number}");
        let length = text.len();
        text += &behind;
        prop_assert_eq!(leading(text.as_bytes()), Some((number, length)));
    }

    #[test]
    fn agrees_on_long_ones(text in "[0-9]{15,25}") {
        let text: String = text;
        let expected = text.parse().ok().map(|number: u64| (number, text.len()));
        prop_assert_eq!(leading(text.as_bytes()), expected);
    }
}
