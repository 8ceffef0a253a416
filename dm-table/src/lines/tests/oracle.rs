//! Random tables against a dumb reader, and random bytes.

use std::format;
use std::vec;

use proptest::prelude::*;

use super::*;

/// A line as the dumb reader knows it: start, length, and the words behind.
type Read = (u64, u64, Vec<String>);

/// Reads a table the obvious way, or finds the line numbers with mistakes. No backslashes, only ASCII.
///
/// Where each line starts is judged only if nothing else is wrong in the whole table.
fn read(text: &str) -> Result<Vec<Read>, Vec<u32>> {
    let mut read = Vec::new();
    let mut wrong = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            [start, length, _, ..] => match (digits(start), digits(length)) {
                (Some(start), Some(length))
                    if length > 0 && start.checked_add(length).is_some() =>
                {
                    read.push((
                        number,
                        (start, length, words[2..].iter().map(|word| word.to_string()).collect()),
                    ));
                }
                _ => wrong.push(number),
            },
            _ => wrong.push(number),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut end = 0;
    for (number, (start, length, _)) in &read {
        if *start != end {
            return Err(vec![*number]);
        }
        end = start + length;
    }
    match read.is_empty() {
        true => Err(vec![text.split('\n').count() as u32]),
        false => Ok(read.into_iter().map(|(_, line)| line).collect()),
    }
}

fn digits(word: &str) -> Option<u64> {
    word.parse().ok().filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A table with about one mistake, blanks and comments here and there.
fn table() -> impl Strategy<Value = String> {
    let lengths = prop::collection::vec(prop_oneof![1..100u64, Just(u64::MAX / 3)], 0..6);
    let words = prop::collection::vec("[a-z0-9:/#.+-]{1,12}", 1..5);
    let noise = prop_oneof![
        4 => Just(""), 1 => Just("\n"), 1 => Just(" # note\n"), 1 => Just("\t\r\n"), 1 => Just("#\n"),
    ];
    let blank = prop::sample::select(vec![" ", " ", " ", "\t", "  ", "\r "]);
    let slips = prop::collection::vec((any::<prop::sample::Index>(), "[ 0-9+x#\n-]?"), 0..3);
    (lengths, words, noise, blank, prop::bool::ANY, slips).prop_map(
        |(lengths, words, noise, blank, ended, slips)| {
            let mut start = 0u64;
            let mut text = noise.to_string();
            for length in lengths {
                text += &[&start.to_string(), &length.to_string()].map(String::as_str).join(blank);
                text += &format!("{blank}{}\n{noise}", words.join(blank));
                start = start.wrapping_add(length);
            }
            for (at, with) in slips {
                if !text.is_empty() {
                    let at = at.index(text.len());
                    text.replace_range(at..at + 1, &with);
                }
            }
            if !ended && text.ends_with('\n') {
                text.pop();
            }
            text
        },
    )
}

/// Any text, but not quite: most of it is made of what means something in a table.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            &b"0"[..], b"8", b"16", b"24", b"18446744073709551615", b" ", b" ", b"\t", b"\n", b"\n", b"\r\n",
            b"zero", b"linear", b"begin", b"\nbegin\n", b"\nend\n", b"#", b"\\", b"-", b"\0", b"\xff", b"\xc3\xa9", b"\xe2\x82",
            b"\n0 8 zero\n8 8 zero\n", b"\n16 8 linear 8:1 0\n", b",", b";", b",rw,",
        ]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_the_dumb_reader(text in table()) {
        let lines: Result<Vec<Read>, _> = parse(text.as_bytes())
            .map(|line| line.map(|line| {
                let mut words = vec![line.target().unescaped().to_string()];
                words.extend(line.args().map(|word| word.unescaped().to_string()));
                (line.range().start().get(), line.range().length().get(), words)
            }))
            .collect();
        match (read(&text), lines) {
            (Ok(expected), lines) => prop_assert_eq!(lines.map_err(|error| error.to_string()), Ok(expected)),
            (Err(wrong), lines) => {
                prop_assert!(lines.is_err());
                let told: Vec<u32> = parse(text.as_bytes()).filter_map(Result::err).map(|error| error.at.line).collect();
                prop_assert!(wrong.iter().all(|line| told.contains(line)), "{wrong:?} {told:?}");
                prop_assert!(told.is_sorted(), "{told:?}");
            }
        }
    }

    #[test]
    fn any_words_come_back(words in prop::collection::vec(r"([ \t\\#,;a-c\x0b]|[^\x00\n\r]){1,8}", 1..5), length in 1u64..) {
        let words: Vec<String> = words;
        let escaped: Vec<String> = words.iter().map(|word| crate::Escaped(word).to_string()).collect();
        let text = format!("0 {length} {}", escaped.join(" "));
        let line = parse(text.as_bytes()).next().expect("an item");
        let line = line.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(line.to_string(), text.as_str());
        let read: Vec<String> = core::iter::once(line.target()).chain(line.args()).map(|word| word.unescaped().to_string()).collect();
        prop_assert_eq!(read, words);
    }

    #[test]
    fn lines_without_an_error_between_them_are_contiguous(text in soup()) {
        let mut end = Some(0);
        let mut places = Vec::new();
        for line in parse(&text) {
            match line {
                Ok(line) => {
                    let range = line.range();
                    prop_assert!(end.is_none_or(|end| end == range.start().get()), "{}", text.escape_ascii());
                    end = Some(range.end().get());
                    places.push(line.position());
                }
                Err(error) => {
                    prop_assert!(error.to_string().chars().all(|c| !c.is_control()));
                    end = None;
                    places.push(error.at);
                }
            }
        }
        prop_assert!(places.is_sorted(), "{places:?}");
        prop_assert!(!places.is_empty());
    }

    #[test]
    fn the_short_cut_changes_nothing(text in prop_oneof![soup(), table().prop_map(String::into_bytes)]) {
        // No line that starts with a blank takes the short cut.
        let slow: Vec<u8> = text.split(|&byte| byte == b'\n').flat_map(|line| [b"\n ", line].concat()).skip(1).collect();
        let outcome = |text: &[u8]| -> Vec<_> {
            parse(text).map(|line| match line {
                Ok(line) => (line.to_string(), line.position().line, line.position().column),
                Err(error) => {
                    let reason = match error.reason {
                        TableReason::SecondBegin { .. } | TableReason::BeginWithoutEnd { .. } => "names a place".to_string(),
                        reason => reason.to_string(),
                    };
                    (reason, error.at.line, error.at.column)
                }
            }).collect()
        };
        let expected: Vec<_> = outcome(&slow).into_iter().map(|(what, line, column)| (what, line, column - 1)).collect();
        prop_assert_eq!(outcome(&text), expected);
    }

    #[test]
    fn what_is_printed_parses_and_prints_the_same(text in prop_oneof![soup(), table().prop_map(String::into_bytes)]) {
        if let Ok(printed) = print(&text) {
            prop_assert_eq!(print(printed.as_bytes()), Ok(printed));
        }
    }
}
