//! One open of a file: what is written through it, carried out.

use dm_core::table_text::Position;
use dm_core::{Change, DeviceMapper, Host, MappedDevice, Minor};

use crate::carry_out::{self, Done};
use crate::error::{Cause, ShimError};
use crate::file::{DeviceFile, File};
use crate::frame::{Frame, Part};
use crate::input::Input;

/// The longest line of a file that takes lines, in bytes.
pub const MAX_LINE: usize = 64 << 10;
/// The longest table, in bytes.
pub const MAX_TABLE: usize = 256 << 20;

/// One open of a file, with a buffer of its own.
///
/// A surface makes one for each open, calls [`write`](Self::write) for what is written and
/// [`close`](Self::close) when that is over, and drops it. What these call can also be called step by
/// step, by a surface that cannot wait where it is called:
///
/// - Inputs: [`put`](Self::put), [`end`](Self::end), [`discard`](Self::discard)
/// - Output: [`advance`](Self::advance), until [`Step::Done`] after any input
pub struct Session<H: Host> {
    file: File<H>,
    input: Input,
    frame: Frame,
    /// The device that the last step has to wait for.
    waiting: Option<Minor>,
}

/// How far what was written is carried out.
#[must_use = "there may be more to carry out"]
pub enum Step<H: Host> {
    /// All that is complete.
    Done,
    /// Up to a change that waits for requests to drain. Go on when it [is done](Change::is_done).
    Wait(Change<H>),
}

/// Whoever waited gave up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Interrupted;

/// Waits until a change [is done](Change::is_done), by the host's own means.
pub type Wait<'w, H> = dyn FnMut(&Change<H>) -> Result<(), Interrupted> + 'w;

impl<H: Host> Session<H> {
    /// A first, or a further, open of `file`.
    pub fn new(file: File<H>) -> Session<H> {
        Session { file, input: Input::default(), frame: Frame::Start, waiting: None }
    }

    /// The file that is open.
    pub fn file(&self) -> &File<H> {
        &self.file
    }

    /// Takes what is written, and carries out each line, or each table, that it completes.
    ///
    /// At the first error it stops: whatever `bytes` hold behind that is dropped.
    pub fn write(
        &mut self,
        mapper: &DeviceMapper<H>,
        bytes: &[u8],
        wait: &mut Wait<'_, H>,
    ) -> Result<(), ShimError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.put(rest);
            rest = rest.get(*taken.as_ref().unwrap_or(&0)..).unwrap_or_default();
            let advanced = taken.and_then(|_| self.finish(mapper, wait));
            if let Err(error) = advanced {
                if !rest.is_empty() {
                    self.input.discard(rest);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Carries out what is left: a line without line feed, a table framed by open and close.
    ///
    /// More may be written afterwards, as through a new open.
    pub fn close(
        &mut self,
        mapper: &DeviceMapper<H>,
        wait: &mut Wait<'_, H>,
    ) -> Result<(), ShimError> {
        self.end();
        self.finish(mapper, wait)
    }

    /// Takes some of `bytes`, and tells how many, at least one. [Advance](Self::advance) before the
    /// next.
    pub fn put(&mut self, bytes: &[u8]) -> Result<usize, ShimError> {
        let (limit, too_long) = match self.file {
            _ if !self.file.is_writable() => return Err(Cause::ReadOnly.into()),
            File::Device(_, DeviceFile::Proc | DeviceFile::Table) => {
                (MAX_TABLE, Cause::TableTooLong { limit: MAX_TABLE })
            }
            _ => (MAX_LINE, Cause::LineTooLong { limit: MAX_LINE }),
        };
        let taken = self.input.put(bytes, limit)?;
        if taken == 0 && !bytes.is_empty() {
            self.fail();
            return Err(too_long.into());
        }
        Ok(taken)
    }

    /// Nothing more is written: what is left is complete as well.
    pub fn end(&mut self) {
        self.input.end();
    }

    /// Drops what is not carried out yet, for instance because whoever waits was interrupted. A
    /// change that has begun takes place anyway.
    pub fn discard(&mut self) {
        self.fail();
    }

    /// Carries out what is complete, up to the first thing that has to wait, or is wrong: what was
    /// put in behind that is dropped.
    pub fn advance(&mut self, mapper: &DeviceMapper<H>) -> Result<Step<H>, ShimError> {
        if let Some(minor) = self.waiting.take() {
            // A device that is gone by now leaves its name to the next line.
            carry_out::finish(mapper, minor);
        }
        let done = match &self.file {
            File::Device(device, DeviceFile::Proc | DeviceFile::Table) => {
                let device = device.clone();
                self.advance_table(mapper, &device)
            }
            _ => self.advance_lines(mapper),
        };
        match done {
            Ok(None) => Ok(Step::Done),
            Ok(Some(change)) => {
                self.waiting = Some(change.device().minor());
                Ok(Step::Wait(change))
            }
            Err(error) => {
                self.fail();
                Err(error)
            }
        }
    }

    fn advance_lines(&mut self, mapper: &DeviceMapper<H>) -> Done<H> {
        while let Some(line) = self.input.next_line() {
            let bytes = self.input.bytes(&line);
            let change = carry_out::line(mapper, &self.file, bytes, &line)?;
            if let Some(change) = change
                && !is_done(mapper, &change)
            {
                return Ok(Some(change));
            }
        }
        if self.input.has_ended() {
            self.input.restart();
        } else {
            self.input.forget_taken();
        }
        Ok(None)
    }

    fn advance_table(&mut self, mapper: &DeviceMapper<H>, device: &MappedDevice<H>) -> Done<H> {
        loop {
            let Some(line) = self.input.next_line() else {
                return match self.input.has_ended() {
                    true => self.end_table(mapper, device),
                    false => Ok(None),
                };
            };
            match self.frame.take(self.input.bytes(&line)) {
                Part::Inside => {}
                Part::Stray { column } => {
                    let line = line.number;
                    return Err(Cause::AfterEnd.at(Position { line, column }));
                }
                Part::End => {
                    let change = self.load(mapper, device)?;
                    if change.is_some() {
                        return Ok(change);
                    }
                }
            }
        }
    }

    /// Loads what was written up to the end of the file, unless its `end` came before.
    fn end_table(&mut self, mapper: &DeviceMapper<H>, device: &MappedDevice<H>) -> Done<H> {
        let frame = core::mem::take(&mut self.frame);
        if frame == Frame::Ended || self.input.taken().is_empty() {
            self.input.restart();
            return Ok(None);
        }
        self.load(mapper, device)
    }

    fn load(&mut self, mapper: &DeviceMapper<H>, device: &MappedDevice<H>) -> Done<H> {
        let change = carry_out::table(mapper, device, self.input.taken())?;
        self.input.restart();
        Ok(change.filter(|change| !is_done(mapper, change)))
    }

    /// Advances until there is nothing left to do.
    fn finish(
        &mut self,
        mapper: &DeviceMapper<H>,
        wait: &mut Wait<'_, H>,
    ) -> Result<(), ShimError> {
        while let Step::Wait(change) = self.advance(mapper)? {
            if let Err(Interrupted) = wait(&change) {
                self.fail();
                return Err(Cause::Interrupted.into());
            }
        }
        Ok(())
    }

    fn fail(&mut self) {
        self.input.discard(&[]);
        if self.frame != Frame::Start {
            self.frame = Frame::Ended;
        }
    }
}

/// Whether a change needs no waiting. If so, a device that it removed has left its name.
fn is_done<H: Host>(mapper: &DeviceMapper<H>, change: &Change<H>) -> bool {
    let is_done = change.is_done();
    if is_done {
        carry_out::finish(mapper, change.device().minor());
    }
    is_done
}
