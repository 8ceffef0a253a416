use std::string::{String, ToString};

use proptest::prelude::*;

use super::*;
use crate::quoting::{self, Unescaped};
use crate::split::at_unquoted;

#[test]
fn what_separates_is_quoted_and_blanks_at_the_ends() {
    for (text, written) in [
        ("", ""),
        ("a b", "a b"),
        ("a,b;c\\d", r"a\,b\;c\\d"),
        (" a  b ", r"\ a  b\ "),
        (" ", r"\ "),
        ("\t\t\t", "\\\t\t\\\t"),
        ("\u{e9},", "\u{e9}\\,"),
        ("\na\n\rb\0c\r", "\u{fffd}a\n\rb\u{fffd}c\u{fffd}"),
    ] {
        assert_eq!(Quoted(text).to_string(), written);
    }
}

proptest! {
    #[test]
    fn any_field_comes_back(text in r"([ ,;\\\t\x0b]|\PC){0,6}\n?[^\x00\r\n]{1,6}") {
        let text: String = text.trim_start_matches('\n').into();
        let written = Quoted(&text).to_string();
        let line = std::format!(" {written} ,x");
        let (field, tail) = at_unquoted(line.as_bytes(), b',');
        prop_assert_eq!(tail, Some(&b"x"[..]));
        let (start, end) = quoting::Quoting::Once.trim(field);
        let read = Unescaped::new(&line[start..end], quoting::Quoting::Once).to_string();
        prop_assert_eq!(read, text);
    }
}
