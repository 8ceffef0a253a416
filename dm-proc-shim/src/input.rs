//! What was written through one open and is still to be carried out, line by line.

use alloc::vec::Vec;
use core::ops::Range;

use dm_core::OutOfMemory;

/// Bytes in the order in which they were written, cut into lines.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    /// Where the next line starts.
    next: usize,
    /// No line ends between there and here.
    searched: usize,
    /// How many lines were taken, those forgotten included.
    lines: u32,
    /// Nothing more comes: the last line may go without a line feed.
    ended: bool,
    /// The rest of a line whose start was refused is still to come.
    skipping: bool,
}

/// A line, without its line feed.
#[derive(Clone, Debug)]
pub(crate) struct InputLine {
    /// Where its bytes are.
    pub(crate) range: Range<usize>,
    /// Its number, from 1.
    pub(crate) number: u32,
}

impl Input {
    /// Takes as many of `bytes` as there is room for; `limit` bytes are kept at most.
    ///
    /// None at all if there is no room: then a line or a table is longer than `limit`.
    pub(crate) fn put(&mut self, bytes: &[u8], limit: usize) -> Result<usize, OutOfMemory> {
        self.ended = false;
        if self.skipping {
            let end = bytes.iter().position(|&byte| byte == b'\n');
            self.skipping = end.is_none();
            return Ok(end.map_or(bytes.len(), |end| end.saturating_add(1)));
        }
        let room = limit.saturating_sub(self.bytes.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.bytes.try_reserve(taken.len())?;
        self.bytes.extend_from_slice(taken);
        Ok(taken.len())
    }

    /// Nothing more will be put in, or what is belongs to another open.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.skipping = false;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes the next line that is complete.
    pub(crate) fn next_line(&mut self) -> Option<InputLine> {
        let unsearched = self.bytes.get(self.searched..).unwrap_or_default();
        let (end, next) = match unsearched.iter().position(|&byte| byte == b'\n') {
            Some(at) => {
                let end = self.searched.saturating_add(at);
                (end, end.saturating_add(1))
            }
            None => {
                self.searched = self.bytes.len();
                if !self.ended || self.next == self.bytes.len() {
                    return None;
                }
                (self.bytes.len(), self.bytes.len())
            }
        };
        let range = self.next..end;
        (self.next, self.searched) = (next, next);
        self.lines = self.lines.saturating_add(1);
        Some(InputLine { range, number: self.lines })
    }

    /// The bytes of a line.
    pub(crate) fn bytes(&self, line: &InputLine) -> &[u8] {
        self.bytes.get(line.range.clone()).unwrap_or_default()
    }

    /// All lines that were taken, and not forgotten.
    pub(crate) fn taken(&self) -> &[u8] {
        self.bytes.get(..self.next).unwrap_or_default()
    }

    /// Makes room: drops the lines that were taken.
    pub(crate) fn forget_taken(&mut self) {
        let length = self.bytes.len();
        let taken = self.next.min(length);
        let kept = length.saturating_sub(taken);
        self.bytes.copy_within(taken.., 0);
        self.bytes.truncate(kept);
        if kept == 0 && self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = Vec::new();
        }
        self.searched = self.searched.saturating_sub(self.next);
        self.next = 0;
    }

    /// Makes room likewise, and numbers the next line as the first.
    pub(crate) fn restart(&mut self) {
        self.forget_taken();
        self.lines = 0;
    }

    /// Drops everything, the rest of an unfinished line included, be it in `unread` or to come.
    pub(crate) fn discard(&mut self, unread: &[u8]) {
        let last = unread.last().or(self.bytes.last());
        let in_line = match last {
            Some(&byte) => byte != b'\n',
            None => self.skipping,
        };
        *self = Input { lines: self.lines, skipping: in_line && !self.ended, ..Input::default() };
    }
}

/// How much memory an open file keeps when there is nothing in it.
const KEPT_CAPACITY: usize = 4096;

#[cfg(test)]
mod tests;
