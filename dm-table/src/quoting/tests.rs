use std::string::{String, ToString};
use std::vec::Vec;

use super::*;

/// The words that `text` splits into, each with its meaning.
fn words(quoting: Quoting, text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        let start = quoting.skip_blanks(text.as_bytes(), at);
        at = quoting.word_end(text.as_bytes(), start);
        if start == at {
            return words;
        }
        words.push(Unescaped::new(&text[start..at], quoting).to_string());
    }
}

#[test]
fn a_backslash_quotes_a_blank() {
    for (text, expected) in [
        ("", &[][..]),
        (" \t\r\x0b\x0c", &[]),
        ("a b\tc", &["a", "b", "c"]),
        (r" my\ disk x", &["my disk", "x"]),
        (r"a\\ b", &[r"a\", "b"]),
        (r"a\\\ b", &[r"a\ b"]),
        (r"\a\é\#", &["aé#"]),
        (r"\ ", &[" "]),
        (r"a\", &[r"a\"]),
        ("a\\\r b", &["a\\", "b"]),
        ("\u{a0}\u{2003}", &["\u{a0}\u{2003}"]),
    ] {
        assert_eq!(words(Quoting::Once, text), expected, "{text:?}");
    }
}

#[test]
fn inside_a_boot_line_a_backslash_is_undone_before_that() {
    for (text, expected) in [
        (r"a\,b c\;d", &["a,b", "c;d"][..]),
        (r"my\\ disk", &["my disk"]),
        (r"my\\\ disk", &["my disk"]),
        (r"my\ disk", &["my", "disk"]),
        (r"a\\\\b", &[r"a\b"]),
        (r"\\\\", &[r"\"]),
        (r"a\é", &["aé"]),
    ] {
        assert_eq!(words(Quoting::Twice, text), expected, "{text:?}");
    }
}

#[test]
fn a_backslash_before_an_end_of_line_dangles() {
    for (quoting, text, at) in [
        (Quoting::Once, r"a\ b", None),
        (Quoting::Once, r"a\\", None),
        (Quoting::Once, r"a\\\", Some(3)),
        (Quoting::Once, "a\\\r", Some(1)),
        (Quoting::Once, "a\\\nb", Some(1)),
        (Quoting::Twice, r"a\,", None),
        (Quoting::Twice, r"a\\,", None),
        (Quoting::Twice, r"a\\", Some(1)),
        (Quoting::Twice, r"a\", Some(1)),
        (Quoting::Twice, r"a\\\\", None),
        (Quoting::Twice, "a\\\\\\\n", Some(1)),
    ] {
        assert_eq!(quoting.dangling(text.as_bytes()), at, "{text:?}");
    }
}

#[test]
fn trimming_leaves_quoted_blanks() {
    for (text, trimmed) in
        [("", ""), (" \n", ""), (" a b ", "a b"), (r" \ a\  ", r"\ a\ "), (r"a\", r"a\")]
    {
        let (start, end) = Quoting::Once.trim(text.as_bytes());
        assert_eq!(&text[start..end], trimmed, "{text:?}");
    }
}
