use std::string::ToString;
use std::vec::Vec;

use super::*;

#[test]
fn the_first_byte_that_is_not_text_is_found() {
    type Case = (&'static [u8], Option<(&'static str, &'static str)>, &'static [&'static str]);
    let cases: [Case; 9] = [
        (b"a b", None, &["a", "b"]),
        (b"a\\ b", None, &["a\\ b"]),
        ("\u{e9} b c\0d \0".as_bytes(), Some(("1:6", "a NUL byte")), &["\u{e9}", "b"]),
        (b"a b\xffc", Some(("1:4", "byte 0xff is not UTF-8")), &["a"]),
        (b"a b \xe2\x82 c", Some(("1:5", "byte 0xe2 is not UTF-8")), &["a", "b"]),
        (b"\xff", Some(("1:1", "byte 0xff is not UTF-8")), &[]),
        (
            b"a b\\",
            Some(("1:4", "the backslash quotes nothing: a line cannot go on in the next")),
            &["a"],
        ),
        (
            b"a\\\r b",
            Some(("1:2", "the backslash quotes nothing: a line cannot go on in the next")),
            &[],
        ),
        (b"a \0 \xff \\", Some(("1:3", "a NUL byte")), &["a"]),
    ];
    for (bytes, fault, words) in cases {
        let text = Text::read(bytes, Position::START, Quoting::Once);
        let found = text.fault.map(|(at, reason)| (at.to_string(), reason.to_string()));
        assert_eq!(
            found,
            fault.map(|(at, reason)| (at.to_string(), reason.to_string())),
            "{bytes:?}"
        );
        assert_eq!(text.words().map(|word| word.raw()).collect::<Vec<_>>(), words, "{bytes:?}");
    }
}
