//! What a run can find.

use dm_core::IoError;

use crate::Mismatch;

/// Something that must not happen, and did.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A read returned something else than it may.
    #[error("request {request}, a read: {mismatch}")]
    Read {
        /// Which of the plan's requests.
        request: usize,
        /// What is wrong.
        mismatch: Mismatch,
    },
    /// A copy holds something else than it may.
    #[error("in the end, copy {copy}: {mismatch}")]
    Copy {
        /// Which of the layout's places.
        copy: usize,
        /// What is wrong.
        mismatch: Mismatch,
    },
    /// Two copies differ where they should not.
    #[error("in the end, sector {sector} of copy {copy} differs from the first copy")]
    CopiesDiffer {
        /// Which of the layout's places.
        copy: usize,
        /// Which sector, counted from the beginning of the mapped device.
        sector: u64,
    },
    /// A request failed that should not have.
    #[error("request {request} failed, {error}, although nothing was wrong")]
    Error {
        /// Which of the plan's requests.
        request: usize,
        /// What it failed with.
        error: IoError,
    },
    /// A request never completes: nothing is left that could complete it.
    #[error("request {request} never completes")]
    Lost {
        /// Which of the plan's requests.
        request: usize,
    },
    /// A change of the device does not come to an end.
    #[error("the device does not drain: {what}")]
    NotDrained {
        /// What it was to drain for.
        what: &'static str,
    },
    /// The copies do not come in sync although the disks are well.
    #[error("the copies do not come in sync: {status}")]
    NotSynced {
        /// The last status.
        status: String,
    },
    /// Things go on and on.
    #[error("no end after {steps} steps")]
    Endless {
        /// So many.
        steps: u64,
    },
    /// More requests wait at disks than is promised.
    #[error("{jobs} requests wait at disks, for {requests} under way; promised were {promised}")]
    TooManyJobs {
        /// So many.
        jobs: usize,
        /// The requests that they are for.
        requests: usize,
        /// How many it may be.
        promised: usize,
    },
    /// The target holds more memory than is promised, or any after the end.
    #[error("{sectors} sectors of memory are held; promised were {promised}")]
    TooMuchMemory {
        /// So many.
        sectors: u64,
        /// How many it may be.
        promised: u64,
    },
    /// A table was refused, or could not be bound.
    #[error("the table `{table}`: {why}")]
    Refused {
        /// The table.
        table: String,
        /// Why.
        why: String,
    },
    /// A disk is still open after the device was removed.
    #[error("disk {disk} is still open after the end")]
    StillOpen {
        /// Its name.
        disk: String,
    },
    /// Something panicked.
    #[error("panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
}
