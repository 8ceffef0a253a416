//! A boot line, device by device.

use core::iter::FusedIterator;

use super::error::{ConciseError, ConciseReason};
use super::{Device, Mode};
use crate::lines::Lines;
use crate::position::Position;
use crate::queue::Queue;
use crate::quoting::Quoting;
use crate::split;
use crate::text::Text;
use crate::word::Word;

/// Reads a boot line (what follows `dm-mod.create=`, without shell quotes), and tells every error in it.
///
/// Positions are in the boot line, so mostly on line 1. That names and minors are unique is not checked.
pub fn parse(text: &[u8]) -> Devices<'_> {
    Devices { rest: Some(text), at: Position::START, errors: Queue::new(), open: None }
}

/// The devices of a boot line and what is wrong with it, in the order of the text.
///
/// A device without errors comes as itself; of one with errors come these, its table's too.
#[derive(Clone, Debug)]
pub struct Devices<'t> {
    rest: Option<&'t [u8]>,
    at: Position,
    errors: Queue<ConciseError<'t>, 5>,
    open: Option<Open<'t>>,
}

/// A table that is being checked, and its device.
#[derive(Clone, Debug)]
struct Open<'t> {
    /// `None` once anything is wrong with it.
    device: Option<Device<'t>>,
    table: Lines<'t>,
}

impl<'t> Devices<'t> {
    /// Reads the next device up to its table; what is wrong there goes to `errors`.
    fn read(&mut self, text: &'t [u8]) {
        let at = self.at;
        let (head, tail) = split::at_unquoted(text, b';');
        self.rest = tail;
        self.at = at.after(head).after(if tail.is_some() { b";" } else { b"" });
        if Quoting::Once.skip_blanks(head, 0) == head.len() {
            return self
                .errors
                .push(ConciseError { at: at.after(head), reason: ConciseReason::NoDevice });
        }
        let mut fields = Fields { rest: Some(head), at };
        let name = fields.next("the name").and_then(name);
        let uuid = fields.next("the uuid");
        let minor = fields.next("the minor number").and_then(minor);
        let mode = fields.next("the flags").and_then(mode);
        let table = fields.table();
        if let (Ok(name), Ok(uuid), Ok(minor), Ok(mode), Ok(table)) =
            (name, uuid, minor, mode, &table)
        {
            let uuid = Some(uuid).filter(|uuid| !uuid.raw().is_empty());
            let device = Device { name, uuid, minor, mode, lines: table.clone() };
            self.open = Some(Open { device: Some(device), table: table.clone() });
            return;
        }
        // Behind the first field that is missing, so are the others.
        let mut is_short = false;
        let faults =
            [name.err(), uuid.err(), minor.err(), mode.err(), table.as_ref().err().copied()];
        for fault in faults.into_iter().flatten() {
            let is_missing = matches!(fault.reason, ConciseReason::Missing { .. });
            if !(is_missing && is_short) {
                self.errors.push(fault);
            }
            is_short |= is_missing;
        }
        self.open = table.ok().map(|table| Open { device: None, table });
    }
}

impl<'t> Iterator for Devices<'t> {
    type Item = Result<Device<'t>, ConciseError<'t>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(error) = self.errors.pop() {
                return Some(Err(error));
            }
            if let Some(open) = &mut self.open {
                if let Some(error) = open.table.find_map(Result::err) {
                    open.device = None;
                    return Some(Err(error.into()));
                }
                if let Some(device) = self.open.take().and_then(|open| open.device) {
                    return Some(Ok(device));
                }
            }
            let text = self.rest?;
            self.read(text);
        }
    }
}

impl FusedIterator for Devices<'_> {}

/// The fields of one device.
struct Fields<'t> {
    rest: Option<&'t [u8]>,
    at: Position,
}

impl<'t> Fields<'t> {
    /// Takes the next field, without the blanks around it; the word may be empty.
    fn next(&mut self, what: &'static str) -> Result<Word<'t>, ConciseError<'t>> {
        let origin = self.at;
        let Some(text) = self.rest else {
            return Err(ConciseError { at: origin, reason: ConciseReason::Missing { what } });
        };
        let (head, tail) = split::at_unquoted(text, b',');
        self.rest = tail;
        self.at = origin.after(head).after(if tail.is_some() { b"," } else { b"" });
        let fault = Text::read(head, origin, Quoting::Once).fault;
        if let Some((at, reason)) = fault {
            return Err(ConciseError { at, reason: ConciseReason::Text(reason) });
        }
        let (start, end) = Quoting::Once.trim(head);
        Ok(Word { line: head, start, end, origin, quoting: Quoting::Once })
    }

    /// All that is left.
    fn table(&self) -> Result<Lines<'t>, ConciseError<'t>> {
        match self.rest {
            Some(_) => Ok(Lines::new(self.rest, self.at, Quoting::Twice)),
            None => Err(ConciseError {
                at: self.at,
                reason: ConciseReason::Missing { what: "a table line" },
            }),
        }
    }
}

fn name(field: Word<'_>) -> Result<Word<'_>, ConciseError<'_>> {
    match field.raw() {
        "" => Err(ConciseError { at: field.position(), reason: ConciseReason::NoName }),
        _ => Ok(field),
    }
}

fn minor(field: Word<'_>) -> Result<Option<u32>, ConciseError<'_>> {
    match field.raw() {
        "" => Ok(None),
        _ => Ok(Some(field.number_u32("the minor number")?)),
    }
}

fn mode(field: Word<'_>) -> Result<Mode, ConciseError<'_>> {
    match field.raw() {
        "ro" => Ok(Mode::ReadOnly),
        "rw" => Ok(Mode::ReadWrite),
        _ => Err(ConciseError {
            at: field.position(),
            reason: ConciseReason::Mode { found: field.excerpt() },
        }),
    }
}

#[cfg(test)]
mod tests;
