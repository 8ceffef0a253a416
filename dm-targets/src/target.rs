//! The two traits of a target, and the words in which core and target talk about a request.

use alloc::boxed::Box;
use core::fmt;

use dm_table::{Args, Sector, SectorRange, Sectors};

use crate::{CtrError, DeviceId, Devices, Machine};

/// A kind of target: what a table line names, and what makes targets of its arguments.
pub trait TargetType: Send + Sync {
    /// The name that table lines give, and that tables print.
    fn name(&self) -> &'static str;

    /// Other names that table lines may give.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// Major, minor and patch level of what the target understands and prints.
    fn version(&self) -> [u16; 3];

    /// The arguments, as a person would be told: `<device> <offset>`.
    fn usage(&self) -> &'static str;

    /// Makes the target of one line, which covers the sectors `at` of the mapped device.
    ///
    /// Opens what it needs through `devices`. Must refuse words it does not expect, most easily by
    /// [`Args::finish`].
    fn construct<'t>(
        &self,
        args: Args<'t>,
        at: SectorRange,
        devices: &mut dyn Devices,
    ) -> Result<Box<dyn Target>, CtrError<'t>>;
}

/// What one line of a live table does with requests. Dropped when the table is.
///
/// Every method may be called from several CPUs at once, and none may block.
pub trait Target: Send + Sync {
    /// The name of its type, as [`TargetType::name`] gives it.
    fn name(&self) -> &'static str;

    /// Says where the first sectors of a request go.
    ///
    /// What the answer leaves over is asked for again. Must be quick, and answer for every request
    /// that lies within the line.
    fn map(&self, request: &Request) -> Map;

    /// Gives away the state machine behind [`Map::Take`]. Asked once, before the first request;
    /// most targets have none.
    fn take_machine(&mut self) -> Option<Box<dyn Machine>> {
        None
    }

    /// Tells which sectors of its devices a target uses that [takes](Map::Take) requests, since
    /// `map` does not; nothing by default.
    fn uses(&self, tell: &mut dyn FnMut(DeviceId, SectorRange)) {
        let _ = tell;
    }

    /// Writes the arguments so that a line with them makes the same target again.
    fn write_args(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result;

    /// Writes what there is to know about its condition; nothing by default.
    fn write_status(&self, out: &mut dyn fmt::Write, names: &dyn DeviceNames) -> fmt::Result {
        let _ = (out, names);
        Ok(())
    }

    /// Obeys a message sent to it, and writes the answer; understands none by default.
    fn message(&self, words: Args<'_>, answer: &mut dyn fmt::Write) -> Result<(), MessageError> {
        let _ = (words, answer);
        Err(MessageError::NotUnderstood)
    }
}

/// Writes the names by which a table's devices can be opened again.
pub trait DeviceNames {
    /// Writes one word: blanks and backslashes in the name are quoted.
    fn write_name(&self, device: DeviceId, out: &mut dyn fmt::Write) -> fmt::Result;
}

/// What is to be done with sectors.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Op {
    /// Read them.
    Read,
    /// Write them.
    Write,
    /// Forget them; what they read as afterwards is not defined.
    Discard,
    /// Make them read as zeros.
    WriteZeroes,
}

impl Op {
    /// Whether it changes what the device holds.
    pub const fn is_write(self) -> bool {
        !matches!(self, Op::Read)
    }
}

/// What is asked of a device.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum BioOp {
    /// Something to be done with sectors.
    Data(Op),
    /// Everything that was written and acknowledged before must be made to last.
    Flush,
}

/// The part of a request that lies on one line of a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request {
    /// What is to be done.
    pub op: Op,
    /// Where it begins, counted from the first sector of the *line*.
    pub at: Sector,
    /// How long it is: at least one sector, and not past the end of the line.
    pub sectors: Sectors,
}

/// Where the first sectors of a request go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Map {
    /// The first `sectors` of it go to `device`, from its sector `sector` on.
    ///
    /// Fewer than were asked for is fine; none at all is an error of the target, and fails them.
    To {
        /// One of the devices that were opened when the target was made.
        device: DeviceId,
        /// Where on that device.
        sector: Sector,
        /// For how long this holds.
        sectors: Sectors,
    },
    /// The target's [machine](Machine) takes the first `sectors` of it, to finish them later.
    Take {
        /// For how long this holds.
        sectors: Sectors,
    },
    /// All of it reads as zeros, and forgets what is written.
    Zeros,
    /// All of it fails.
    Fail(IoError),
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// The device failed, or something lost the request.
    #[error("input/output error")]
    Failed,
    /// The request reaches past the end of the device.
    #[error("past the end of the device")]
    OutOfRange,
    /// The request does not keep to the device's logical blocks.
    #[error("not aligned to the device's logical blocks")]
    Misaligned,
    /// The device may only be read.
    #[error("the device is read-only")]
    ReadOnly,
    /// The device does not do this.
    #[error("operation not supported by the device")]
    NotSupported,
    /// The device has no room left.
    #[error("no space left on the device")]
    NoSpace,
    /// There was no memory to handle the request.
    #[error("out of memory")]
    OutOfMemory,
    /// The device is gone, or has no table.
    #[error("no such device")]
    NoDevice,
}

/// Why a message was not obeyed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The target knows no such message.
    #[error("the target does not understand this message")]
    NotUnderstood,
    /// A word of it is wrong; says what was expected.
    #[error("expected {expected}")]
    Expected {
        /// What should have been there.
        expected: &'static str,
    },
    /// There was no memory to obey it.
    #[error("out of memory")]
    OutOfMemory,
}

#[cfg(test)]
mod tests {
    use super::Op;

    #[test]
    fn all_but_reads_are_writes() {
        let ops = [Op::Read, Op::Write, Op::Discard, Op::WriteZeroes];
        assert_eq!(ops.map(Op::is_write), [false, true, true, true]);
    }
}
