//! Any bytes as a table.

use dm_table::{Line, parse};

/// Lines follow one another from sector 0 on, errors have a place in the text, there are no more
/// items than announced, words equal what they mean, and what parses prints as what parses the same again.
pub fn run(text: &[u8]) {
    let lines = parse(text);
    let hint = lines.line_count_hint();
    let items: Vec<_> = lines.collect();
    let good = items.iter().filter(|item| item.is_ok()).count();
    assert!(good <= hint, "{good} lines, at most {hint} were announced");
    let line_feeds = text.iter().filter(|&&byte| byte == b'\n').count();
    for error in items.iter().filter_map(|item| item.as_ref().err()) {
        assert!((1..=line_feeds + 1).contains(&(error.at.line as usize)), "{error}");
        assert!(error.at.column >= 1 && error.at.column as usize <= text.len() + 1, "{error}");
        assert!(!error.reason.to_string().chars().any(char::is_control), "{error}");
    }
    assert!(!items.is_empty(), "no table without lines and without errors");
    let lines: Result<Vec<Line<'_>>, _> = items.into_iter().collect();
    let Ok(lines) = lines else { return };
    let mut next = 0;
    let mut printed = String::new();
    for line in &lines {
        let range = line.range();
        assert_eq!(range.start().get(), next);
        assert!(range.length().get() > 0);
        next = range.start().get().checked_add(range.length().get()).expect("no overflow");
        // A target type goes by what its word means, and not by how it is quoted.
        let means = line.target().unescaped().to_string();
        assert!(line.target() == *means, "{means:?}");
        printed += &format!("{line}\n");
    }
    let again: Result<Vec<Line<'_>>, _> = parse(printed.as_bytes()).collect();
    let again = again.unwrap_or_else(|error| panic!("{printed:?} does not parse: {error}"));
    assert_eq!(lines.len(), again.len());
    for (line, again) in lines.iter().zip(&again) {
        assert_eq!(line.range(), again.range());
        let target = |line: &Line<'_>| line.target().unescaped().to_string();
        assert_eq!(target(line), target(again));
        let words = |line: &Line<'_>| -> Vec<String> {
            line.args().map(|word| word.unescaped().to_string()).collect()
        };
        assert_eq!(words(line), words(again));
        assert_eq!(line.to_string(), again.to_string());
    }
}
