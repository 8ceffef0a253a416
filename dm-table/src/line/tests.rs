use std::string::ToString;

use crate::{Position, parse};

#[test]
fn a_line_is_printed_in_canonical_form() {
    for (text, printed) in [
        ("0 8 zero", "0 8 zero"),
        ("0 8 zero\n", "0 8 zero"),
        ("\t00  08\tlinear   8:1 \t 007 \r\n", "0 8 linear 8:1 007"),
        (r"0 8 linear /dev/my\ \d\isk 0", r"0 8 linear /dev/my\ disk 0"),
        ("0 8 linear # 0", "0 8 linear # 0"),
        ("0 8 linear /d\u{e9} 0\n", "0 8 linear /d\u{e9} 0"),
    ] {
        let line = parse(text.as_bytes()).next().expect("an item").expect("a line");
        assert_eq!(line.to_string(), printed);
    }
}

#[test]
fn a_line_knows_its_parts_and_where_they_stand() {
    let line = parse(b"\n# c\n  0 8 linear 8:1 0\n").next().expect("an item").expect("a line");
    assert_eq!(line.position(), Position { line: 3, column: 3 });
    assert_eq!(line.target(), "linear");
    assert_eq!(line.target().position(), Position { line: 3, column: 7 });
    let mut args = line.args();
    assert_eq!(args.next().map(|word| word.position()), Some(Position { line: 3, column: 14 }));
    assert_eq!(args.rest(), "0");
    assert_eq!((line.range().start().get(), line.range().length().get()), (0, 8));
}
