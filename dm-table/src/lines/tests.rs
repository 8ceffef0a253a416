use std::prelude::v1::*;
use std::string::ToString;

use super::*;

fn errors(text: &str) -> Vec<String> {
    parse(text.as_bytes())
        .filter_map(Result::err)
        .map(|e| e.to_string())
        .collect()
}

#[test]
fn smoke() {
    std::println!(
        "{:#?}",
        errors("foo\n0 8x\n0 0 zero\n 8 8 zero\n17 8 zero\n25 8 a\\\n")
    );
}
