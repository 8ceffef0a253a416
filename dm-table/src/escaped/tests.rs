use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{Args, Position};

#[test]
fn what_no_word_can_hold_is_replaced() {
    for (text, written) in [
        ("", "\u{fffd}"),
        ("a\nb\rc\0", "a\u{fffd}b\u{fffd}c\u{fffd}"),
        ("a b\tc\\", "a\\ b\\\tc\\\\"),
    ] {
        assert_eq!(Escaped(text).to_string(), written);
    }
}

proptest! {
    #[test]
    fn any_string_comes_back_as_one_word(text in r"([ \t\r\n\\\x00a-cé]|\PC){0,12}") {
        let written = Escaped(&text).to_string();
        let words: Vec<_> = Args::new(&written, Position::START).collect();
        prop_assert_eq!(words.len(), 1);
        let expected: String = match text.as_str() {
            "" => "\u{fffd}".into(),
            text => text.replace(['\0', '\r', '\n'], "\u{fffd}"),
        };
        prop_assert_eq!(words[0].unescaped().to_string(), expected);
        prop_assert_eq!(words[0].to_string(), written);
    }
}
