use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const NOTHING: &str =
    "expected a device, `<name>,<uuid>,<minor>,<ro or rw>,<table line>`, found nothing";

/// Boot lines, and every error that each must give; `NOTHING` stands for its text.
const REFUSED: &[(&[u8], &[&str])] = &[
    (b"", &["1:1: NOTHING"]),
    (b" \n ", &["2:2: NOTHING"]),
    (b"a,,,rw,0 8 zero;", &["1:17: NOTHING"]),
    (b";a,,,rw,0 8 zero", &["1:1: NOTHING"]),
    (b"a,,,rw,0 8 zero; ;b,,,rw,0 8 zero", &["1:18: NOTHING"]),
    (b"a", &["1:2: expected the uuid behind a comma, found the end of the device"]),
    (b"a,,", &["1:4: expected the flags behind a comma, found the end of the device"]),
    (b"a,,,rw", &["1:7: expected a table line behind a comma, found the end of the device"]),
    (b"a,,,rw,", &["1:8: expected the start sector, found the end of the line"]),
    (b" ,,,rw,0 8 zero", &["1:2: the device has no name"]),
    (b"a,,x,rw,0 8 zero", &["1:4: expected the minor number, found `x`: not a decimal number"]),
    (
        b"a,,-1,rw,0 8 zero",
        &["1:4: expected the minor number, found `-1`: the number must have no sign"],
    ),
    (
        b"a,, 4294967296,rw,0 8 zero",
        &["1:5: expected the minor number, found `4294967296`: past 32 bits"],
    ),
    (b"a,,1 2,rw,0 8 zero", &["1:4: expected the minor number, found `1 2`: not a decimal number"]),
    (b"a,,,,0 8 zero", &["1:5: expected the flags, `ro` or `rw`, found ``"]),
    (b"a,,,RW,0 8 zero", &["1:5: expected the flags, `ro` or `rw`, found `RW`"]),
    (b"a\0,u\xff,,rw,0 8 zero", &["1:2: a NUL byte", "1:5: byte 0xff is not UTF-8"]),
    // All at once, and the device behind them.
    (
        b",,x,r,1 8 zero,b 8 zero;b",
        &[
            "1:1: the device has no name",
            "1:3: expected the minor number, found `x`: not a decimal number",
            "1:5: expected the flags, `ro` or `rw`, found `r`",
            "1:7: the first line must start at sector 0, found 1",
            "1:16: expected the start sector, found `b`: not a decimal number",
            "1:26: expected the uuid behind a comma, found the end of the device",
        ],
    ),
    (b"a,,,rw,0 8 zero,,8 8 zero", &["1:17: expected the start sector, found the end of the line"]),
    (
        b"a,,,rw,0 8 zero,9 8 zero,",
        &[
            "1:17: expected sector 8, where the line before ends, found 9: a gap",
            "1:26: expected the start sector, found the end of the line",
        ],
    ),
    (b"a,,,rw,\n 0 8 zero,\n 8 0 zero", &["3:4: the line covers no sectors"]),
    (
        b"a,,,rw,0 8 linear /dev/a\\\\",
        &["1:25: the backslash quotes nothing: a line cannot go on in the next"],
    ),
    (
        b"a,,,rw,0 8 linear /dev/a\\",
        &["1:25: the backslash quotes nothing: a line cannot go on in the next"],
    ),
    (b"a,,,rw,0 8 z\xe9ro", &["1:13: byte 0xe9 is not UTF-8"]),
    // What only a file may have.
    (
        b"a,,,rw,begin,0 8 zero,end",
        &[
            "1:8: expected the start sector, found `begin`: not a decimal number",
            "1:13: expected the length in sectors, found the end of the line",
            "1:23: expected the start sector, found `end`: not a decimal number",
            "1:26: expected the length in sectors, found the end of the line",
        ],
    ),
    (
        b"a,,,rw,0 8 zero,# 8 zero",
        &["1:17: expected the start sector, found `#`: not a decimal number"],
    ),
];

#[test]
fn every_mistake_is_told_once() {
    for (text, errors) in REFUSED {
        let found: Vec<String> =
            parse(text).filter_map(Result::err).map(|error| error.to_string()).collect();
        let expected: Vec<String> =
            errors.iter().map(|error| error.replace("NOTHING", NOTHING)).collect();
        assert_eq!(found, expected, "{}", text.escape_ascii());
    }
}

#[test]
fn good_devices_come_between_the_errors() {
    let found: Vec<_> = parse(b"a,,,rw,0 8 zero;b,,,rw,8;c,,,ro,0 8 zero")
        .map(|device| device.map(|device| device.name().raw()).map_err(|error| error.at.column))
        .collect();
    assert_eq!(found, [Ok("a"), Err(24), Err(25), Ok("c")]);
}

#[test]
fn a_boot_line_of_a_megabyte_is_refused_mistake_by_mistake() {
    // Hangs, or nearly, where places are counted from the start of the boot line.
    let count = 100_000;
    let text = std::format!("a,,,rw,0 8 zero{};", ",8 x zero".repeat(count)).repeat(2);
    assert_eq!(parse(text.as_bytes()).filter(Result::is_err).count(), 2 * count + 1);
}

/// What means something on a boot line.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(std::vec![
        &b","[..],
        b",",
        b";",
        b"\\",
        b"\\",
        b" ",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"a",
        b"rw",
        b"7",
        b"\xc3\xa9",
        b"name,uuid,5,ro,",
        b"a,,,rw,",
        b"0 8 zero",
        b",8 8 linear /dev/a\\,b 0",
        b",16 1 x a\\\\ b",
        b";b,,,ro,0 8 zero",
        b"0 8 zero\\\\\\ ",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_read_and_what_is_printed_parses_and_prints_the_same(text in soup()) {
        let mut places = Vec::new();
        for device in parse(&text) {
            match device {
                Ok(device) => {
                    prop_assert!(device.lines().all(|line| line.is_ok()));
                    prop_assert!(device.lines().count() >= 1);
                    prop_assert!(device.lines().line_count_hint() >= device.lines().count());
                    let printed = device.to_string();
                    let again: Result<Vec<String>, _> =
                        parse(printed.as_bytes()).map(|device| device.map(|device| device.to_string())).collect();
                    prop_assert_eq!(again.map_err(|error| error.to_string()), Ok(std::vec![printed.clone()]));
                    places.push(device.name().position());
                }
                Err(error) => {
                    prop_assert!(error.to_string().chars().all(|c| !c.is_control()));
                    places.push(error.at);
                }
            }
        }
        prop_assert!(places.is_sorted(), "{places:?}");
        prop_assert!(!places.is_empty());
    }

    #[test]
    fn the_table_of_a_boot_line_is_the_table_of_a_file(words in prop::collection::vec(r"[ \\,;a-c]{1,6}", 1..4)) {
        let escaped: Vec<String> = words.iter().map(|word| crate::Escaped(word).to_string()).collect();
        let line = std::format!("0 8 {}", escaped.join(" "));
        let text = std::format!("a,,,rw,{}", crate::concise::Quoted(&line));
        let device = parse(text.as_bytes()).next().expect("an item");
        let device = device.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let lines: Vec<String> = device.lines().flatten().map(|line| line.to_string()).collect();
        prop_assert_eq!(lines, [line]);
        prop_assert_eq!(device.to_string(), text.as_str());
    }
}
