//! Targets with state: machines that take requests, hand out jobs, and are told how they ended.

use dm_table::{Sector, Sectors};

use crate::{BioOp, DeviceId, IoError, Time};

/// The part of a target that finishes requests later, and works in the background.
///
/// It starts no thread and reads no clock. The core owns it, behind a lock that is held for one
/// method at a time, and drives it: requests for which the target answered
/// [`Map::Take`](crate::Map::Take) come in, jobs go out to the devices, their results come back.
/// All of it may happen in an interrupt, so every method must be quick, and none may allocate.
///
/// - Inputs: [`resume`](Self::resume), [`suspend`](Self::suspend),
///   [`handle_request`](Self::handle_request), [`handle_done`](Self::handle_done),
///   [`handle_time`](Self::handle_time).
/// - Outputs: [`poll`](Self::poll), until `None` after any input; then
///   [`timeout`](Self::timeout) and [`is_quiet`](Self::is_quiet).
/// - Data: [`fill`](Self::fill) and [`look`](Self::look), where an [`Action`] asked for them.
pub trait Machine: Send + Sync {
    /// How many requests it can have in hand. Those that are too many wait their turn.
    fn capacity(&self) -> u16;

    /// How many sectors the `n`-th buffer for its own jobs is to have; `None` after the last.
    ///
    /// The core gets them when the table is loaded, so that no job waits for memory.
    fn buffer(&self, n: u16) -> Option<Sectors>;

    /// The table is live: requests may come, and work may begin.
    fn resume(&mut self, now: Time);

    /// No more work may begin but what requests in hand need; bring it to an end.
    fn suspend(&mut self, now: Time);

    /// Takes a request, to be answered by [`Action::Complete`] for the same slot.
    fn handle_request(&mut self, slot: Slot, request: &Taken, now: Time);

    /// A job has ended.
    fn handle_done(&mut self, job: JobId, result: Result<(), IoError>, now: Time);

    /// The [timeout](Self::timeout) has passed, or a message to the target may have changed what
    /// there is to do.
    fn handle_time(&mut self, now: Time);

    /// Writes what [`Action::Fill`] was about into a buffer.
    fn fill(&mut self, buffer: u16, bytes: &mut [u8]) {
        let _ = (buffer, bytes);
    }

    /// Reads what [`Action::Look`] was about out of a buffer; nothing, if the host lost it.
    fn look(&mut self, buffer: u16, bytes: &[u8]) {
        let _ = (buffer, bytes);
    }

    /// What is to be done next.
    fn poll(&mut self, now: Time) -> Option<Action>;

    /// When it wants to be asked again, if nothing happens before.
    fn timeout(&self) -> Option<Time>;

    /// Whether it has neither requests nor jobs in hand and, when suspended, all is put away.
    fn is_quiet(&self) -> bool;
}

/// A place for a request in hand, below [`Machine::capacity`].
pub type Slot = u16;

/// A job, by a number that its machine chose. It ends once.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct JobId(pub u32);

/// A request that was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Taken {
    /// What is to be done.
    pub op: BioOp,
    /// Whether it must last once it has completed.
    pub fua: bool,
    /// Where it begins, counted from the first sector of the line; zero for a flush.
    pub at: Sector,
    /// How long it is; zero for a flush.
    pub sectors: Sectors,
}

/// What a machine wants done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Start a job.
    Start(Job),
    /// Complete the request in a slot, which is free from then on. None of its jobs may be left.
    Complete {
        /// Whose.
        slot: Slot,
        /// How it went.
        result: Result<(), IoError>,
    },
    /// Fill zeros into the data of the read in a slot.
    Zero {
        /// Whose.
        slot: Slot,
    },
    /// Call [`Machine::fill`] for a buffer that no job uses.
    Fill {
        /// Which.
        buffer: u16,
    },
    /// Call [`Machine::look`] for a buffer that no job uses.
    Look {
        /// Which.
        buffer: u16,
    },
    /// Tell those who wait for a change that something has changed.
    Event,
}

/// One transfer, or one flush, on one device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Job {
    /// By what number [`Machine::handle_done`] is told of its end.
    pub id: JobId,
    /// Whose memory it reads or writes.
    pub data: JobData,
    /// What is to be done.
    pub op: BioOp,
    /// Whether what it writes must last once it has ended.
    pub fua: bool,
    /// Where.
    pub device: DeviceId,
    /// Where on that device.
    pub sector: Sector,
    /// How much: not more than its memory has, and all of it if that is a request's.
    pub sectors: Sectors,
}

/// The memory of a job. A flush has none, but names one as its own all the same.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum JobData {
    /// That of a request in hand.
    Request(Slot),
    /// A buffer, from its beginning.
    Buffer(u16),
}
