//! Any bytes as a table: what parses is contiguous, and prints as what parses the same again.

#![no_main]

use dm_table::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut printed = String::new();
    let mut next = 0;
    for line in parse(text) {
        let Ok(line) = line else { return };
        assert_eq!(line.range().start().get(), next);
        next = line.range().end().get();
        printed += &format!("{line}\n");
    }
    let mut again = String::new();
    for line in parse(printed.as_bytes()) {
        again += &format!("{}\n", line.expect("what was printed parses"));
    }
    assert_eq!(printed, again);
});
