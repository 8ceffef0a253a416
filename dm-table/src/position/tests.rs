use std::string::ToString;

use super::*;

#[test]
fn a_column_counts_characters_and_bytes_that_are_none() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "1:1"),
        (b"abc", "1:4"),
        ("a\u{e9}\u{1f600}".as_bytes(), "1:4"),
        (b"\xff\xfe", "1:3"),
        (b"a\xe2\x82b", "1:5"),
        (b"ab\n", "2:1"),
        (b"ab\ncd\n\nefg", "4:4"),
        (b"a\n\xffb", "2:3"),
    ];
    for (text, at) in cases {
        assert_eq!(Position::START.after(text).to_string(), at, "{text:?}");
    }
}

#[test]
fn a_column_goes_on_from_where_the_text_starts() {
    let start = Position { line: 3, column: 7 };
    assert_eq!(start.after(b"ab"), Position { line: 3, column: 9 });
    assert_eq!(start.after(b"ab\nc"), Position { line: 4, column: 2 });
}

#[test]
fn numbers_stop_at_the_largest() {
    let end = Position { line: u32::MAX, column: u32::MAX };
    assert_eq!(end.after(b"ab"), end);
    assert_eq!(end.next_line(), Position { line: u32::MAX, column: 1 });
    assert_eq!(saturate(usize::MAX), u32::MAX);
}
