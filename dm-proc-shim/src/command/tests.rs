use super::*;
use std::string::{String, ToString};

fn refusal(line: &[u8]) -> Option<String> {
    let parsed = words(line, 3).and_then(Command::parse);
    parsed.err().map(|error| error.to_string())
}

#[test]
fn a_backslash_at_the_end_quotes_nothing() {
    let dangling = "the backslash quotes nothing: a line cannot go on in the next";
    assert_eq!(refusal(b"create foo\\"), Some(std::format!("3:11: {dangling}")));
    assert_eq!(refusal(b"create foo\\\\\\"), Some(std::format!("3:13: {dangling}")));
    assert_eq!(refusal(b"create foo\\\\"), None);
}

#[test]
fn columns_count_characters() {
    let refused = "expected the end of the line, found `b`";
    assert_eq!(
        refusal("create ä b".as_bytes()).as_deref(),
        Some("3:10: expected the minor number, found `b`: not a decimal number")
    );
    assert_eq!(refusal("remove äö b".as_bytes()), Some(std::format!("3:11: {refused}")));
    assert_eq!(refusal("remove ä\0".as_bytes()).as_deref(), Some("3:9: a NUL byte"));
    assert_eq!(refusal(b"\xe4").as_deref(), Some("3:1: byte 0xe4 is not UTF-8"));
}

#[test]
fn every_command_is_known_by_its_name() {
    for (line, is_like) in [
        ("create foo", (|c| matches!(c, Command::Create { minor: None, .. })) as fn(_) -> bool),
        (
            "create foo 007",
            |c| matches!(c, Command::Create { minor: Some(m), .. } if m.value.get() == 7),
        ),
        ("remove foo", |c| matches!(c, Command::Remove { .. })),
        (
            "rename foo bar",
            |c| matches!(c, Command::Rename { new, .. } if new.value.as_str() == "bar"),
        ),
        ("suspend foo", |c| {
            matches!(c, Command::Switch { to: Switch { to: Passing::Suspend, freeze: true }, .. })
        }),
        ("resume foo", |c| {
            matches!(c, Command::Switch { to: Switch { to: Passing::Resume, freeze: true }, .. })
        }),
        ("resume foo nofreeze", |c| {
            matches!(c, Command::Switch { to: Switch { freeze: false, .. }, .. })
        }),
        ("clear foo", |c| matches!(c, Command::Clear { .. })),
        ("message foo 8 a\\ b c", |c| {
            matches!(c, Command::Message { message, .. }
                if message.sector.value.get() == 8 && message.words.clone().eq_words(&["a b", "c"]))
        }),
    ] {
        let command = Command::parse(words(line.as_bytes(), 1).unwrap()).unwrap();
        assert!(is_like(command), "{line}");
    }
}

trait EqWords {
    fn eq_words(self, expected: &[&str]) -> bool;
}

impl EqWords for Args<'_> {
    fn eq_words(self, expected: &[&str]) -> bool {
        self.map(|word| word.unescaped().collect::<String>()).eq(expected.iter().copied())
    }
}
