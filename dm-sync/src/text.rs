//! Text whose growth can fail.

use alloc::string::String;
use core::fmt;

/// A string to [`write!`] to: where it cannot grow, writing is an error, and it stays as it was.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Text(String);

impl Text {
    /// An empty one, which takes no memory.
    pub const fn new() -> Text {
        Text(String::new())
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What was written, as a string.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.try_reserve(text.len()).map_err(|_| fmt::Error)?;
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fmt::Write;

    #[test]
    fn keeps_what_was_written() {
        let mut text = Text::new();
        write!(text, "{} linear", 1).unwrap();
        assert_eq!(text.as_str(), "1 linear");
        assert_eq!(text.into_string(), "1 linear");
    }
}
