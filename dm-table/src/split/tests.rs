use super::*;

#[test]
fn a_line_ends_at_its_line_feed() {
    assert_eq!(at_line_end(b""), (&b""[..], None));
    assert_eq!(at_line_end(b"ab"), (&b"ab"[..], None));
    assert_eq!(at_line_end(b"ab\n"), (&b"ab"[..], Some(&b""[..])));
    assert_eq!(at_line_end(b"ab\\\n\nc"), (&b"ab\\"[..], Some(&b"\nc"[..])));
}

#[test]
fn a_quoted_separator_separates_nothing() {
    for (text, head, tail) in [
        (&b"ab"[..], &b"ab"[..], None),
        (b"ab,", b"ab", Some(&b""[..])),
        (b"a\\,b,c", b"a\\,b", Some(b"c")),
        (b"a\\\\,b", b"a\\\\", Some(b"b")),
        (b"a\\\\\\,b", b"a\\\\\\,b", None),
        (b"a\\", b"a\\", None),
    ] {
        assert_eq!(at_unquoted(text, b','), (head, tail), "{text:?}");
    }
}
