use super::*;
use std::format;
use std::string::{String, ToString};

#[test]
fn names() {
    let long = "x".repeat(127);
    for good in ["a", "vg-lv_1", "UPPER.case", "größe", &long] {
        assert_eq!(good.parse::<DeviceName>().unwrap().as_str(), good);
    }
    let longer = "x".repeat(128);
    for (bad, message) in [
        ("", "the name is empty".to_string()),
        (".", "`.` is a reserved name".into()),
        ("..", "`..` is a reserved name".into()),
        ("control", "`control` is a reserved name".into()),
        ("targets", "`targets` is a reserved name".into()),
        ("a/b", "the name has '/' in it".into()),
        ("a b", "the name has ' ' in it".into()),
        ("a\nb", "the name has '\\n' in it".into()),
        ("a\0", "the name has '\\0' in it".into()),
        ("a\u{85}", "the name has '\\u{85}' in it".into()),
        (&longer, "the name is 128 bytes long; at most 127 are allowed".into()),
    ] {
        assert_eq!(bad.parse::<DeviceName>().unwrap_err().to_string(), message, "{bad:?}");
    }
}

#[test]
fn uuids() {
    let long: String = "LVM-".chars().chain("u".repeat(124).chars()).collect();
    assert_eq!(long.parse::<Uuid>().unwrap().as_str(), long);
    assert_eq!(long.parse::<Uuid>().unwrap().to_string(), long);
    for bad in ["", "a b", "ü", "\n", &format!("{long}u")] {
        assert_eq!(bad.parse::<Uuid>(), Err(UuidError), "{bad:?}");
    }
}

#[test]
fn minors_have_twenty_bits() {
    assert_eq!(Minor::new(1_048_575), Some(Minor::MAX));
    assert_eq!(Minor::new(1_048_576), None);
    assert_eq!(Minor::MAX.next(), None);
}
