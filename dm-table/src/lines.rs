//! A table's text, line by line.

use core::iter::FusedIterator;

use crate::error::{TableError, TableReason};
use crate::line::{Errors, Line};
use crate::position::Position;
use crate::queue::Queue;
use crate::quick;
use crate::quoting::Quoting;
use crate::sequence::Sequence;
use crate::split;
use crate::text::Text;
use crate::word::Word;

/// Reads a table, and tells every error in it.
///
/// - A line is `<start> <length> <target type> <arguments>`, the numbers decimal, in sectors. It ends
///   with a line feed; the last may go without.
/// - ASCII white space separates words, as in Linux, so a carriage return at the end of a line means
///   nothing. A backslash quotes the character behind it: a blank, to be part of a word, or another
///   backslash. It can't quote the end of a line.
/// - Blank lines are skipped, and so are comments: lines whose first character that is no blank is
///   `#`. Elsewhere `#` is a character like others. A comment may hold any bytes; the other lines are
///   UTF-8 without NUL.
/// - `begin` alone on the first line and `end` alone on the last are allowed, both or neither;
///   comments may stand around them.
/// - Sector numbers have 64 bits, the end of the table included; whether a device can be that long
///   is for others to say.
pub fn parse(text: &[u8]) -> Lines<'_> {
    Lines::new(Some(text), Position::START, Quoting::Once)
}

/// The lines of a table and what is wrong with it, in the order of the text.
///
/// A line without errors comes as itself; of one with errors come these, at most four. Lines that
/// follow one another with no error between them lie one behind the other without gap or overlap,
/// and if no error comes at all, the lines are a whole table, the first at sector 0.
///
/// It goes on behind an error, and takes care that one mistake is one error: a line that starts at
/// the wrong sector doesn't make the next wrong too.
#[derive(Clone, Debug)]
pub struct Lines<'t> {
    rest: Option<&'t [u8]>,
    at: Position,
    /// `Once` for the lines of a file, `Twice` for the table of a boot line.
    quoting: Quoting,
    frame: Frame,
    sequence: Sequence,
    empty: bool,
    errors: Errors<'t>,
}

/// What of `begin` and `end` has been seen.
#[derive(Clone, Copy, Debug)]
enum Frame {
    Bare,
    Begun(Position),
    Ended,
    /// Nothing more to tell.
    Done,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(rest: Option<&'t [u8]>, at: Position, quoting: Quoting) -> Lines<'t> {
        Lines {
            rest,
            at,
            quoting,
            frame: Frame::Bare,
            sequence: Sequence::START,
            empty: true,
            errors: Queue::new(),
        }
    }

    /// At most this many lines are still to come. One quick pass over the text, to reserve room by.
    ///
    /// Blank lines and comments count too, so a text can promise far more lines than it has: a
    /// loader with little memory should take this as a hint.
    pub fn line_count_hint(&self) -> usize {
        let separator = match self.quoting {
            Quoting::Once => b'\n',
            Quoting::Twice => b',',
        };
        // Few enough bytes at a time that a byte can hold their count, which makes it quick.
        let count =
            |bytes: &[u8]| bytes.iter().map(|&byte| u8::from(byte == separator)).sum::<u8>();
        self.rest.map_or(0, |rest| {
            rest.chunks(128).map(|bytes| usize::from(count(bytes))).sum::<usize>().saturating_add(1)
        })
    }

    /// The next line of a file, if it is of the commonest shape and nothing is wrong with it.
    #[inline(always)]
    fn read_quickly(&mut self) -> Option<Line<'t>> {
        let is_inside = matches!(self.frame, Frame::Bare | Frame::Begun(_));
        if self.quoting != Quoting::Once || !is_inside || !self.errors.is_empty() {
            return None;
        }
        let (line, tail) = quick::read(self.rest?, self.at)?;
        if !self.sequence.follow(line.range()) {
            return None;
        }
        self.rest = Some(tail);
        self.at = self.at.next_line();
        self.empty = false;
        Some(line)
    }

    /// Whatever comes next.
    #[inline(never)]
    fn read(&mut self) -> Option<Result<Line<'t>, TableError<'t>>> {
        loop {
            if let Some(error) = self.errors.pop() {
                return Some(Err(error));
            }
            let Some(text) = self.rest else {
                return self.finish().map(Err);
            };
            let line = match self.quoting {
                Quoting::Once => self.read_line(text),
                Quoting::Twice => self.read_field(text),
            };
            if let Some(line) = line {
                return Some(Ok(line));
            }
        }
    }

    /// The next line of a file; what is wrong in it goes to `errors`.
    fn read_line(&mut self, text: &'t [u8]) -> Option<Line<'t>> {
        let at = self.at;
        let (line, tail) = split::at_line_end(text);
        self.rest = tail;
        self.at = if tail.is_some() { at.next_line() } else { at.after(line) };
        if self.is_skipped(line, at) {
            return None;
        }
        let text = Text::read(line, at, self.quoting);
        let mut words = text.words();
        if let Some(word) = words.peek()
            && matches!(word.raw(), "begin" | "end")
        {
            words.next();
            self.mark(&word);
            self.errors.extend(words.finish().map_err(TableError::from).err());
            self.errors.extend(text.fault.map(TableError::from));
            return None;
        }
        self.empty = false;
        Line::read(&text, &mut self.sequence, &mut self.errors)
    }

    /// The next table line of a boot line, likewise.
    fn read_field(&mut self, text: &'t [u8]) -> Option<Line<'t>> {
        let at = self.at;
        let (field, tail) = split::at_unquoted(text, b',');
        self.rest = tail;
        self.at = at.after(field).after(if tail.is_some() { b"," } else { b"" });
        self.empty = false;
        Line::read(&Text::read(field, at, self.quoting), &mut self.sequence, &mut self.errors)
    }

    /// Whether there is nothing to read in this line: it is blank, a comment, or stands behind `end`.
    fn is_skipped(&mut self, line: &[u8], at: Position) -> bool {
        let start = self.quoting.skip_blanks(line, 0);
        if matches!(line.get(start), None | Some(b'#')) {
            return true;
        }
        if matches!(self.frame, Frame::Ended) {
            let at = at.after(line.get(..start).unwrap_or_default());
            self.errors.push(TableError { at, reason: TableReason::AfterEnd });
            self.frame = Frame::Done;
            self.rest = None;
            return true;
        }
        false
    }

    /// Takes up a `begin` or `end`.
    fn mark(&mut self, word: &Word<'t>) {
        let at = word.position();
        let (frame, wrong) = match (word.raw(), self.frame) {
            ("begin", Frame::Begun(first)) => {
                (self.frame, Some(TableReason::SecondBegin { first }))
            }
            ("begin", _) if self.empty => (Frame::Begun(at), None),
            ("begin", _) => (Frame::Begun(at), Some(TableReason::LateBegin)),
            (_, Frame::Begun(_)) => (Frame::Ended, None),
            (_, _) => (Frame::Ended, Some(TableReason::EndWithoutBegin)),
        };
        self.frame = frame;
        self.errors.extend(wrong.map(|reason| TableError { at, reason }));
    }

    /// What is wrong now that the text has ended.
    fn finish(&mut self) -> Option<TableError<'t>> {
        let reason = match self.frame {
            Frame::Begun(begin) => Some(TableReason::BeginWithoutEnd { begin }),
            Frame::Bare | Frame::Ended if self.empty => Some(TableReason::Empty),
            Frame::Bare | Frame::Ended | Frame::Done => None,
        };
        self.frame = Frame::Done;
        Some(TableError { at: self.at, reason: reason? })
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Result<Line<'t>, TableError<'t>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.read_quickly() {
            Some(line) => Some(Ok(line)),
            None => self.read(),
        }
    }
}

impl FusedIterator for Lines<'_> {}

#[cfg(test)]
mod tests;
