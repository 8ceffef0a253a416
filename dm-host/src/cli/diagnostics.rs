//! Errors in a table, shown with the line and a caret under the word.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use dm_core::table_text::Position;

use super::output::complain;
use super::source::Source;
use crate::diagnosis::Diagnosis;

/// Shows errors of one table on the standard error, as they come.
pub(super) struct Diagnostics<'s> {
    source: &'s Source,
    lines: LineFinder<'s>,
    renderer: Renderer,
}

impl<'s> Diagnostics<'s> {
    pub(super) fn new(source: &'s Source) -> Diagnostics<'s> {
        Diagnostics {
            source,
            lines: LineFinder::new(&source.text),
            renderer: Renderer::styled().decor_style(DecorStyle::Ascii),
        }
    }

    pub(super) fn show(&mut self, diagnosis: &Diagnosis) {
        let at = diagnosis.at();
        let (line, caret) = excerpt(self.lines.find(at.line), at.column, self.source.separators);
        let shown = Snippet::source(line)
            .line_start(at.line as usize)
            .path(self.source.name.as_str())
            .annotation(AnnotationKind::Primary.span(caret));
        let title = Level::ERROR.primary_title(diagnosis.message.as_str());
        let help = diagnosis.help.as_deref();
        let help = help.map(|help| Level::HELP.message(help));
        let report = title.element(shown).elements(help);
        complain(format_args!("{}\n", self.renderer.render(&[report])));
    }
}

/// Finds lines, quickly if they are asked for in order.
struct LineFinder<'t> {
    text: &'t [u8],
    line: u32,
    rest: &'t [u8],
}

impl<'t> LineFinder<'t> {
    fn new(text: &'t [u8]) -> LineFinder<'t> {
        LineFinder { text, line: Position::START.line, rest: text }
    }

    /// The line of that number, without its end; empty past the last.
    fn find(&mut self, line: u32) -> &'t [u8] {
        if line < self.line {
            *self = LineFinder::new(self.text);
        }
        while self.line < line {
            let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') else {
                return b"";
            };
            self.rest = &self.rest[end + 1..];
            self.line += 1;
        }
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        &self.rest[..end.unwrap_or(self.rest.len())]
    }
}

/// How many characters of a line are shown on either side of an error.
const AROUND: usize = 60;

/// A line as it can be shown, cut to what is near the error, and the bytes of it that are to blame:
/// the word at `column`, or the place where one is missing.
fn excerpt(line: &[u8], column: u32, separators: &[char]) -> (String, std::ops::Range<usize>) {
    let column = column as usize - 1;
    let mut characters: Vec<char> = Vec::new();
    for chunk in line.utf8_chunks() {
        characters.extend(chunk.valid().chars());
        characters.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    let visible = characters.iter().map(|&c| match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    });
    let characters: Vec<char> = visible.collect();
    let column = column.min(characters.len());
    let mut end = column;
    let is_end = |c: char| c.is_whitespace() || separators.contains(&c);
    while end < characters.len() && !is_end(characters[end]) {
        end += if characters[end] == '\\' { 2 } else { 1 };
    }
    let end = end.min(characters.len());
    let from = column.saturating_sub(AROUND);
    let until = (end.min(column + AROUND) + AROUND).min(characters.len());
    let mut text = String::new();
    if from > 0 {
        text.push_str("...");
    }
    text.extend(&characters[from..column]);
    let start = text.len();
    text.extend(&characters[column..end.min(until)]);
    let stop = text.len().max(start);
    text.extend(&characters[end.min(until)..until]);
    if until < characters.len() {
        text.push_str("...");
    }
    (text, start..stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_lies_under_the_word() {
        let word = |line: &str, column| {
            let (text, caret) = excerpt(line.as_bytes(), column, &[',']);
            (text[caret].to_owned(), text)
        };
        assert_eq!(word("0 8 zoro", 5), ("zoro".into(), "0 8 zoro".into()));
        assert_eq!(word("a,,x,rw", 4).0, "x");
        assert_eq!(word("0 8", 4).0, "");
        assert_eq!(word("0\t8 \u{e4}\u{f6} x", 5).0, "\u{e4}\u{f6}");
        let long = format!("{} here {}", "x".repeat(500), "y".repeat(500));
        let (found, shown) = word(&long, 502);
        assert_eq!(found, "here");
        assert!(shown.len() < 200 && shown.starts_with("...") && shown.ends_with("..."));
    }
}
