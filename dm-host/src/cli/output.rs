//! What is printed, and where nobody may read it any more.

use std::fmt::Display;
use std::io::{self, Write};

use super::failure::Failure;

/// Writes to the standard output; with colours only where somebody sees them.
///
/// That a reader has had enough, such as `head`, is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Write { path: "the standard output".into(), why })
        }
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    // Structs of strings and numbers always have a form in JSON.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    print(&(text + "\n"))
}

/// Writes a line to the standard error, if that still goes anywhere.
pub(super) fn complain(text: impl Display) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}
