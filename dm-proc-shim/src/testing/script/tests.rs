use super::*;

/// Remembers what was written, and answers from a list.
#[derive(Default)]
struct Fake {
    written: Vec<(String, Vec<u8>)>,
    content: String,
    refusal: Option<Refusal>,
    silent_close: bool,
}

impl Surface for Fake {
    fn devices(&self) -> Vec<String> {
        ["disk-a", "disk-b"].map(String::from).to_vec()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        self.written.push((path.to_string(), bytes.to_vec()));
        self.refusal.clone().map_or(Ok(()), Err)
    }

    fn read(&mut self, path: &str) -> Result<String, Refusal> {
        Ok(if path == "control" { String::new() } else { self.content.clone() })
    }

    fn refuses_close(&self) -> bool {
        !self.silent_close
    }
}

fn refusing(message: Option<&str>) -> Fake {
    let refusal = Refusal { errno: Errno::Busy, message: message.map(String::from) };
    Fake { refusal: Some(refusal), ..Fake::default() }
}

fn outcome(script: &str, mut surface: Fake) -> Result<(), usize> {
    run(script, &mut surface).map_err(|failure| failure.line)
}

#[test]
fn writes_lines_with_devices_and_bytes_put_in() {
    let mut surface = Fake::default();
    run("# c\n\n> foo a $A\n| $ff$00 $Bx\n|\n> bar\n", &mut surface).unwrap();
    let expected: [(String, Vec<u8>); 2] =
        [("foo".into(), b"a disk-a\n\xff\x00 disk-bx\n\n".to_vec()), ("bar".into(), Vec::new())];
    assert_eq!(surface.written, expected);
}

#[test]
fn columns_are_counted_past_devices() {
    let content = String::from("1:17: wrong\n");
    let surface = Fake { content, ..Fake::default() };
    assert_eq!(outcome("< foo\n| 1:$(5+A+B): wrong", surface), Ok(()));
}

#[test]
fn a_read_must_match_word_by_word() {
    let with = |content: &str| Fake { content: content.into(), ..Fake::default() };
    assert_eq!(outcome("< foo\n| 0 * $A", with("0 8 disk-a\n")), Ok(()));
    assert_eq!(outcome("\n< foo\n| 0 8", with("0 9\n")), Err(2));
    assert_eq!(outcome("< foo\n| 0 8", with("0 8 9\n")), Err(1));
    assert_eq!(outcome("< foo\n| 0 8", with("0 8")), Err(1), "no line feed at the end");
    assert_eq!(outcome("< foo\n| 0 8", with("0 8\nmore\n")), Err(1));
    assert_eq!(outcome("< foo\n", with("more\n")), Err(1));
}

#[test]
fn a_refusal_must_be_expected_and_the_same() {
    assert_eq!(outcome("> foo a\n! Busy: in use", refusing(Some("in use"))), Ok(()));
    assert_eq!(outcome("> foo a\n! Busy: in use", refusing(Some("other words"))), Err(1));
    assert_eq!(outcome("> foo a\n! Busy: in use", refusing(None)), Ok(()));
    assert_eq!(outcome("> foo a\n! Busy", refusing(Some("in use"))), Ok(()));
    assert_eq!(outcome("> foo a\n! Invalid", refusing(None)), Err(1));
    assert_eq!(outcome("> foo a", refusing(None)), Err(1));
    assert_eq!(outcome("> foo a\n! Busy", Fake::default()), Err(1));
}

#[test]
fn only_a_surface_that_cannot_refuse_a_close_may_stay_silent() {
    let silent = || Fake { silent_close: true, ..Fake::default() };
    assert_eq!(outcome("> foo a\n!close Busy", silent()), Ok(()));
    assert_eq!(outcome("> foo a\n! Busy", silent()), Err(1));
    assert_eq!(outcome("> foo a\n!close Busy", Fake::default()), Err(1));
    assert_eq!(outcome("> foo a\n!close Busy", refusing(None)), Ok(()));
}

#[test]
fn what_is_no_script_is_refused() {
    for bad in [
        "| a",
        "! Busy",
        "foo",
        "< foo bar",
        "> foo a\n! Sleepy",
        "> foo $Z",
        "> foo $",
        "> foo $(1+Z)",
        "> foo $(1",
    ] {
        assert!(run(bad, &mut Fake::default()).is_err(), "{bad}");
    }
}
