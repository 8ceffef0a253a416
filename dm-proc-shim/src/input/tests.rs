use super::*;
use std::string::{String, ToString};
use std::vec;

const LIMIT: usize = 10;

/// All lines that are complete, with their numbers.
fn lines(input: &mut Input) -> Vec<(u32, String)> {
    let mut lines = Vec::new();
    while let Some(line) = input.next_line() {
        let text = core::str::from_utf8(input.bytes(&line)).unwrap().to_string();
        lines.push((line.number, text));
    }
    lines
}

#[test]
fn a_line_is_complete_with_its_line_feed_or_the_end() {
    let mut input = Input::default();
    assert_eq!(input.put(b"a\nb", LIMIT), Ok(3));
    assert_eq!(lines(&mut input), [(1, "a".into())]);
    assert_eq!(input.put(b"c\n\nd", LIMIT), Ok(4));
    assert_eq!(lines(&mut input), [(2, "bc".into()), (3, "".into())]);
    input.forget_taken();
    input.end();
    assert_eq!(lines(&mut input), [(4, "d".into())]);
    assert_eq!(lines(&mut input), []);
}

#[test]
fn no_more_is_kept_than_the_limit() {
    let mut input = Input::default();
    assert_eq!(input.put(b"123\n5678901", LIMIT), Ok(10));
    assert_eq!(input.put(b"1", LIMIT), Ok(0));
    assert_eq!(lines(&mut input), [(1, "123".into())]);
    input.forget_taken();
    assert_eq!(input.put(b"1\n", LIMIT), Ok(2));
    assert_eq!(lines(&mut input), [(2, "5678901".into())]);
}

#[test]
fn the_rest_of_a_discarded_line_is_skipped() {
    for (held, unread, then, expected) in [
        ("half", "", "other\nnext\n", vec!["next"]),
        ("half\n", "", "next\n", vec!["next"]),
        ("bad\nhal", "f", "other\nnext\n", vec!["next"]),
        ("bad\nhal", "f\n", "next\n", vec!["next"]),
        ("half", "", "still the same line", vec![]),
        ("", "", "next\n", vec!["next"]),
    ] {
        let mut input = Input::default();
        input.put(held.as_bytes(), LIMIT).unwrap();
        input.discard(unread.as_bytes());
        let mut rest = then.as_bytes();
        while !rest.is_empty() {
            let taken = input.put(rest, LIMIT).unwrap();
            assert!(taken > 0, "no room for {rest:?}");
            rest = &rest[taken..];
        }
        let found = lines(&mut input);
        let texts: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, expected, "{held:?} {unread:?} {then:?}");
    }
}

#[test]
fn an_empty_input_keeps_the_memory_of_a_short_line_and_no_other() {
    for (length, kept) in [(10, 10), (KEPT_CAPACITY, KEPT_CAPACITY), (KEPT_CAPACITY + 1, 0)] {
        let mut input = Input::default();
        let mut line = vec![b'x'; length - 1];
        line.push(b'\n');
        input.put(&line, usize::MAX).unwrap();
        assert_eq!(lines(&mut input).len(), 1);
        input.forget_taken();
        let held = input.bytes.capacity();
        assert!(held >= kept && held <= KEPT_CAPACITY, "{held} bytes behind a line of {length}");
        assert_eq!(held == 0, kept == 0);
    }
}

#[test]
fn what_was_taken_stays_until_it_is_forgotten() {
    let mut input = Input::default();
    input.put(b"ab\ncd\nef", LIMIT).unwrap();
    assert_eq!(lines(&mut input).len(), 2);
    assert_eq!(input.taken(), b"ab\ncd\n");
    input.restart();
    assert_eq!(input.taken(), b"");
    input.end();
    assert_eq!(lines(&mut input), [(1, "ef".into())]);
}
