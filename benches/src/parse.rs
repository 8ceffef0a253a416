//! Parsing alone: a long table by dm-table, and by what dmsetup does with each line.

use std::ffi::{CStr, CString, c_char, c_long};
use std::fmt::Write;

unsafe extern "C" {
    fn dmsetup_parse(text: *const c_char, sum: *mut u64) -> c_long;
}

/// A table of `lines` linear lines over one device.
pub fn table(lines: usize) -> CString {
    let mut text = String::new();
    for n in 0..lines as u64 {
        writeln!(text, "{} 8192 linear /dev/sdb {}", n * 8192, 2048 + n * 8192)
            .expect("writing to a string");
    }
    CString::new(text).expect("text without NUL")
}

/// The sum of all starts and lengths, by dm-table.
pub fn ours(text: &CStr) -> u64 {
    let lines = dm_table::parse(text.to_bytes());
    lines
        .map(|line| {
            let range = line.expect("a good line").range();
            range.start().get() + range.length().get()
        })
        .sum()
}

/// The same, by `sscanf`.
pub fn theirs(text: &CStr) -> u64 {
    let mut sum = 0;
    // SAFETY: the text ends with NUL, and `sum` is a place for a u64; neither is kept.
    let lines = unsafe { dmsetup_parse(text.as_ptr(), &mut sum) };
    assert!(lines >= 0, "sscanf refused a line");
    sum
}
