use std::string::ToString;
use std::vec;

use super::*;

#[test]
fn a_message_shows_only_what_prints() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "``"),
        (b"12x", "`12x`"),
        (b"it's \"a\\b\"", "`it's \"a\\b\"`"),
        ("\u{e9}\t\r\n\0\x1b[31m".as_bytes(), "`\u{e9}\\t\\r\\n\\u{0}\\u{1b}[31m`"),
        ("\u{202e}".as_bytes(), "`\\u{202e}`"),
        (b"a\xff\xe2\x82b", "`a\\xff\\xe2\\x82b`"),
    ];
    for (text, shown) in cases {
        assert_eq!(Excerpt::new(text).to_string(), shown);
        assert_eq!(Excerpt::new(text).bytes(), text);
    }
}

#[test]
fn a_long_one_is_cut() {
    let exact = vec![b'a'; 64];
    assert_eq!(Excerpt::new(&exact).to_string().len(), 66);
    let huge = vec![b'a'; 1 << 20];
    let shown = Excerpt::new(&huge).to_string();
    assert!(shown.ends_with("aaa`... (1048576 bytes)"), "{shown}");
    assert_eq!(shown.matches('a').count(), 64);
    let invalid = vec![0xff; 65];
    assert!(Excerpt::new(&invalid).to_string().ends_with("\\xff`... (65 bytes)"));
}
