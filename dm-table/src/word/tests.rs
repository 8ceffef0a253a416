use super::*;
use crate::Args;
use std::string::ToString;

fn only(text: &str) -> Word<'_> {
    Args::new(text, Position::START).next().expect("a word")
}

#[test]
fn a_number_is_decimal_digits() {
    for (text, number) in [("0", 0), ("007", 7), ("18446744073709551615", u64::MAX)] {
        assert_eq!(only(text).number("n"), Ok(number));
    }
    assert_eq!(only("4294967295").number_u32("n"), Ok(u32::MAX));
}

#[test]
fn what_is_no_number_says_why() {
    for (text, message) in [
        ("-5", "1:1: expected n, found `-5`: the number must have no sign"),
        ("+0", "1:1: expected n, found `+0`: the number must have no sign"),
        ("-", "1:1: expected n, found `-`: not a decimal number"),
        ("+-1", "1:1: expected n, found `+-1`: not a decimal number"),
        ("  0x10", "1:3: expected n, found `0x10`: not a decimal number"),
        ("1e3", "1:1: expected n, found `1e3`: not a decimal number"),
        ("12345678x", "1:1: expected n, found `12345678x`: not a decimal number"),
        ("\u{663}", "1:1: expected n, found `\u{663}`: not a decimal number"),
        (r"1\2", r"1:1: expected n, found `1\2`: not a decimal number"),
        ("18446744073709551616", "1:1: expected n, found `18446744073709551616`: past 64 bits"),
        (
            "99999999999999999999999x",
            "1:1: expected n, found `99999999999999999999999x`: not a decimal number",
        ),
    ] {
        assert_eq!(only(text).number("n").map_err(|error| error.to_string()), Err(message.into()));
    }
    for (text, message) in [
        ("4294967296", "1:1: expected n, found `4294967296`: past 32 bits"),
        ("18446744073709551616", "1:1: expected n, found `18446744073709551616`: past 32 bits"),
        ("-1", "1:1: expected n, found `-1`: the number must have no sign"),
    ] {
        assert_eq!(
            only(text).number_u32("n").map_err(|error| error.to_string()),
            Err(message.into())
        );
    }
}

#[test]
fn a_word_equals_what_it_means() {
    assert_eq!(only("linear"), "linear");
    assert_eq!(only(r"my\ disk"), *"my disk");
    assert_ne!(only(r"my\ disk"), r"my\ disk");
    assert_ne!(only("linear"), "linea");
    assert_eq!(only(r" my\ disk ").raw(), r"my\ disk");
    assert_eq!(only(r"m\y\ disk").to_string(), r"my\ disk");
}

#[test]
fn whoever_reads_it_may_refuse_it_for_his_own_reason() {
    let error = only("  fast").refused("the sync mode", "neither `sync` nor `nosync`");
    assert_eq!(
        error.to_string(),
        "1:3: expected the sync mode, found `fast`: neither `sync` nor `nosync`"
    );
}
