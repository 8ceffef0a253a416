use std::string::{String, ToString};
use std::vec::Vec;

use super::*;

mod oracle;

/// Texts, and every error that each must give.
const REFUSED: &[(&[u8], &[&str])] = &[
    // Nothing there.
    (b"", &["1:1: the table has no lines"]),
    (b"\n \t\r\n# 0 8 zero\n", &["4:1: the table has no lines"]),
    (b"# only a comment", &["1:17: the table has no lines"]),
    (b"begin\nend\n", &["3:1: the table has no lines"]),
    // Words missing.
    (b"0", &["1:2: expected the length in sectors, found the end of the line"]),
    (b"0 8  \n", &["1:4: expected the target type, found the end of the line"]),
    // Numbers.
    (b"-1 8 zero", &["1:1: expected the start sector, found `-1`: the number must have no sign"]),
    (
        b"0 +8 zero",
        &["1:3: expected the length in sectors, found `+8`: the number must have no sign"],
    ),
    (b"0 8k zero", &["1:3: expected the length in sectors, found `8k`: not a decimal number"]),
    (b"0 0x8 zero", &["1:3: expected the length in sectors, found `0x8`: not a decimal number"]),
    (b"0 8.0 zero", &["1:3: expected the length in sectors, found `8.0`: not a decimal number"]),
    (
        b"\xef\xbb\xbf0 8 zero",
        &["1:1: expected the start sector, found `\\u{feff}0`: not a decimal number"],
    ),
    (
        b"0 18446744073709551616 zero",
        &["1:3: expected the length in sectors, found `18446744073709551616`: past 64 bits"],
    ),
    (
        b"zero 0 8",
        &[
            "1:1: expected the start sector, found `zero`: not a decimal number",
            "1:6: the line covers no sectors",
        ],
    ),
    // Where lines start and end.
    (b"8 8 zero", &["1:1: the first line must start at sector 0, found 8"]),
    (b"0 0 zero", &["1:3: the line covers no sectors"]),
    (b"0 0 zero\n8 8 zero", &["1:3: the line covers no sectors"]),
    (
        b"0 8 zero\n9 8 zero",
        &["2:1: expected sector 8, where the line before ends, found 9: a gap"],
    ),
    (
        b"0 8 zero\n7 8 zero",
        &["2:1: expected sector 8, where the line before ends, found 7: an overlap"],
    ),
    (
        b"0 8 zero\n0 8 zero",
        &["2:1: expected sector 8, where the line before ends, found 0: an overlap"],
    ),
    (
        b"0 18446744073709551615 zero\n18446744073709551615 1 zero",
        &["2:22: 1 sectors from sector 18446744073709551615 on end past 64 bits"],
    ),
    // Several mistakes in a line, and in a table.
    (
        b" a b ",
        &[
            "1:2: expected the start sector, found `a`: not a decimal number",
            "1:4: expected the length in sectors, found `b`: not a decimal number",
            "1:5: expected the target type, found the end of the line",
        ],
    ),
    (
        b"1 0 \xff",
        &[
            "1:1: the first line must start at sector 0, found 1",
            "1:3: the line covers no sectors",
            "1:5: byte 0xff is not UTF-8",
        ],
    ),
    (
        b"a -1 zero \\",
        &[
            "1:1: expected the start sector, found `a`: not a decimal number",
            "1:3: expected the length in sectors, found `-1`: the number must have no sign",
            "1:11: the backslash quotes nothing: a line cannot go on in the next",
        ],
    ),
    (
        b"0 8 zero\n8 zero\n16 8 zero\n24 8\n33 8 zero\n",
        &[
            "2:3: expected the length in sectors, found `zero`: not a decimal number",
            "2:7: expected the target type, found the end of the line",
            "4:5: expected the target type, found the end of the line",
            "5:1: expected sector 32, where the line before ends, found 33: a gap",
        ],
    ),
    // What is no text.
    (b"0 8 zero\n8 8 li\0near", &["2:7: a NUL byte"]),
    (b"0 8 linear /d\xc3\xa9v\xff 0", &["1:16: byte 0xff is not UTF-8"]),
    (b"0 8\0 zero", &["1:4: a NUL byte"]),
    (b"0 8 zero\0", &["1:9: a NUL byte"]),
    (b"\0", &["1:1: a NUL byte"]),
    (b"\xff\xfe0\0 \08\0", &["1:1: byte 0xff is not UTF-8"]),
    (
        b"0 8 linear /dev/sda \\\n8 8 zero",
        &["1:21: the backslash quotes nothing: a line cannot go on in the next"],
    ),
    (
        b"0 8 linear /dev/sda\\\r\n8 8 zero",
        &["1:20: the backslash quotes nothing: a line cannot go on in the next"],
    ),
    // The frame.
    (
        b"begin\n0 8 zero\n",
        &[
            "3:1: expected `end`, as the table starts with `begin` at 1:1, found the end of the text",
        ],
    ),
    (
        b"\n begin",
        &[
            "2:7: expected `end`, as the table starts with `begin` at 2:2, found the end of the text",
        ],
    ),
    (b"0 8 zero\nend\n", &["2:1: `end` without `begin`"]),
    (b"end", &["1:1: `end` without `begin`", "1:4: the table has no lines"]),
    (b"begin\nbegin\n0 8 zero\nend\n", &["2:1: a second `begin`, the first is at 1:1"]),
    (b"begin\n0 8 zero\nbegin\nend\n", &["3:1: a second `begin`, the first is at 1:1"]),
    (
        b"0 8 zero\nbegin\n8 8 zero\nend\n",
        &["2:1: `begin` must stand before the first line of the table"],
    ),
    (
        b"begin\n0 8 zero\nend\n# fine\n\n 8 8 zero\njunk\n",
        &["6:2: only comments may follow `end`"],
    ),
    (
        b"0 8 zero\nend\n8 8 zero\n16 8 zero\n",
        &["2:1: `end` without `begin`", "3:1: only comments may follow `end`"],
    ),
    (b"begin\n0 8 zero\nend\nend\n", &["4:1: only comments may follow `end`"]),
    (
        b"begin 0 8 zero\nend now\n",
        &[
            "1:7: expected the end of the line, found `0`",
            "2:5: expected the end of the line, found `now`",
            "3:1: the table has no lines",
        ],
    ),
    (
        b"Begin\n0 8 zero\n",
        &[
            "1:1: expected the start sector, found `Begin`: not a decimal number",
            "1:6: expected the length in sectors, found the end of the line",
        ],
    ),
    (b"begin \xff\n0 8 zero\nend", &["1:7: byte 0xff is not UTF-8"]),
    // A comment is a line of its own.
    (b"0 # 8 zero", &["1:3: expected the length in sectors, found `#`: not a decimal number"]),
];

const ACCEPTED: &[(&[u8], &str)] = &[
    (b"0 8 zero", "0 8 zero\n"),
    (b"0 8 zero\r\n8 8 error\r\n", "0 8 zero\n8 8 error\n"),
    (b"\r\n# c\xff\0\\\r\n\t# c\n0 8 zero\n\n8 8 error\n#", "0 8 zero\n8 8 error\n"),
    (b" begin \n0 8 zero\n\tend\t", "0 8 zero\n"),
    (b"# c\n\nbegin\r\n# c\n0 8 zero\n# c\nend\r\n\n# c\xff", "0 8 zero\n"),
    (b"0 8 linear begin end\n8 8 end\n", "0 8 linear begin end\n8 8 end\n"),
    (
        b"0 18446744073709551614 zero\n18446744073709551614 1 error\n",
        "0 18446744073709551614 zero\n18446744073709551614 1 error\n",
    ),
    (b"00 000000000000000000000000000008 zero\n", "0 8 zero\n"),
];

fn print(text: &[u8]) -> Result<String, Vec<String>> {
    let mut printed = String::new();
    let mut errors = Vec::new();
    for line in parse(text) {
        match line {
            Ok(line) => printed += &std::format!("{line}\n"),
            Err(error) => errors.push(error.to_string()),
        }
    }
    if errors.is_empty() { Ok(printed) } else { Err(errors) }
}

#[test]
fn every_mistake_is_told_once() {
    for (text, errors) in REFUSED {
        assert_eq!(
            print(text),
            Err(errors.iter().map(|error| error.to_string()).collect()),
            "{}",
            text.escape_ascii()
        );
    }
}

#[test]
fn what_is_allowed_is_accepted() {
    for (text, printed) in ACCEPTED {
        assert_eq!(print(text).as_deref(), Ok(*printed), "{}", text.escape_ascii());
        assert_eq!(print(printed.as_bytes()).as_deref(), Ok(*printed));
    }
}

#[test]
fn good_lines_come_between_the_errors() {
    let starts: Vec<_> = parse(b"0 8 zero\n8 8\n16 8 zero\n30 8 zero\n38 8 zero\n")
        .map(|line| line.map(|line| line.range().start().get()).map_err(|error| error.at.line))
        .collect();
    assert_eq!(starts, [Ok(0), Err(2), Ok(16), Err(4), Ok(38)]);
}

#[test]
fn every_error_of_a_line_comes_before_the_next_line() {
    let starts: Vec<_> = parse(b"x 8\n8 8 zero\n16 8 zero\n")
        .map(|line| line.map(|line| line.range().start().get()).map_err(|error| error.at.column))
        .collect();
    assert_eq!(starts, [Err(1), Err(4), Ok(8), Ok(16)]);
}

#[test]
fn the_end_is_final() {
    for text in ["", "0 8 zero\n", "begin\n0 8 zero\nend\nx\ny\n"] {
        let mut lines = parse(text.as_bytes());
        lines.by_ref().for_each(drop);
        assert!((0..3).all(|_| lines.next().is_none()));
    }
}

#[test]
fn a_million_lines_are_read_and_counted() {
    let count = 1_000_000u64;
    let text: String =
        (0..count).map(|i| std::format!("{} 8 linear 8:{} {i}\n", i * 8, i % 16)).collect();
    assert_eq!(parse(text.as_bytes()).line_count_hint() as u64, count + 1);
    let mut end = 0;
    let mut offsets = 0;
    for line in parse(text.as_bytes()) {
        let line = line.expect("a good line");
        assert_eq!(line.range().start().get(), end);
        end = line.range().end().get();
        let mut args = line.args();
        args.next();
        offsets += args.number("the offset").expect("a number");
    }
    assert_eq!((end, offsets), (count * 8, count * (count - 1) / 2));
}

#[test]
fn a_line_of_a_megabyte_is_read_and_its_errors_are_short() {
    let word = "a".repeat(1 << 20);
    let good = std::format!("0 8 linear {word}\n8 8 {word} x\n");
    let words: Vec<usize> = parse(good.as_bytes())
        .map(|line| line.expect("a good line"))
        .map(|line| {
            line.target().raw().len() + line.args().map(|word| word.raw().len()).sum::<usize>()
        })
        .collect();
    assert_eq!(words, [6 + (1 << 20), (1 << 20) + 1]);

    let many_words = std::format!("0 8 zero{}\n", " a".repeat(1 << 19));
    assert_eq!(
        parse(many_words.as_bytes()).flatten().map(|line| line.args().count()).sum::<usize>(),
        1 << 19
    );

    let bad = std::format!("0 8{word} zero {word}\\\n");
    let excerpt = "a".repeat(63);
    assert_eq!(
        print(bad.as_bytes()),
        Err(std::vec![
            std::format!(
                "1:3: expected the length in sectors, found `8{excerpt}`... (1048577 bytes): not a decimal number"
            ),
            std::format!(
                "1:{}: the backslash quotes nothing: a line cannot go on in the next",
                9 + 2 * (1 << 20) + 1
            ),
        ])
    );
}

#[test]
fn the_count_of_lines_is_never_too_low() {
    for (text, _) in ACCEPTED {
        let mut lines = parse(text);
        loop {
            assert!(lines.line_count_hint() >= lines.clone().count());
            if lines.next().is_none() {
                break;
            }
        }
        assert_eq!(lines.line_count_hint(), 0);
    }
}
