use std::string::ToString;

use super::*;

const LINE: &str = "  8:1\t4096  x";

fn args() -> Args<'static> {
    Args::new(LINE, Position { line: 3, column: 11 })
}

#[test]
fn words_come_one_by_one() {
    let mut args = args();
    assert_eq!(args.remaining(), 3);
    assert_eq!(args.peek().map(|word| word.raw()), Some("8:1"));
    assert_eq!(args.rest(), "8:1\t4096  x");
    let device = args.word("a device").expect("it is there");
    assert_eq!((device.raw(), device.position().to_string()), ("8:1", "3:13".into()));
    assert_eq!(args.number("an offset"), Ok(4096));
    assert_eq!((args.remaining(), args.rest()), (1, "x"));
    assert_eq!(
        args.clone().finish().map_err(|e| e.to_string()),
        Err("3:23: expected the end of the line, found `x`".into())
    );
    args.next();
    assert_eq!((args.next().map(|word| word.raw()), args.rest(), args.remaining()), (None, "", 0));
    assert_eq!(args.finish(), Ok(()));
}

#[test]
fn a_missing_word_is_missed_behind_the_last() {
    let mut args = Args::new("ab \t ", Position::START);
    args.next();
    let missing = |error: ArgError<'_>| error.to_string();
    let message = "1:3: expected the offset in sectors, found the end of the line";
    assert_eq!(
        args.word("the offset in sectors").map(|w| w.raw()).map_err(missing),
        Err(message.into())
    );
    assert_eq!(args.number("the offset in sectors").map_err(missing), Err(message.into()));
    assert_eq!(args.number_u32("the offset in sectors").map_err(missing), Err(message.into()));
}

#[test]
fn the_rest_keeps_quoted_blanks() {
    let mut args = Args::new(r" a b\  c\  ", Position::START);
    args.next();
    assert_eq!(args.rest(), r"b\  c\ ");
}

#[test]
fn a_word_that_is_no_number_is_taken_all_the_same() {
    let mut args = args();
    assert!(args.number("a number").is_err());
    assert_eq!(args.number("a number"), Ok(4096));
}
