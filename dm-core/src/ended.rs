//! What a job's bio carries, so that its machine is told how it ended.

use dm_sync::Arc;
use dm_targets::{IoError, JobId};

use crate::{Host, Table};

/// Word for a target that a job of its own has ended. A bio keeps it until it completes.
///
/// It is told once; dropping it tells that the job has failed.
pub struct Ended<H: Host> {
    job: Option<(Arc<Table<H>>, u32, JobId)>,
}

impl<H: Host> Ended<H> {
    pub(crate) fn new(table: Arc<Table<H>>, line: u32, job: JobId) -> Ended<H> {
        Ended { job: Some((table, line, job)) }
    }

    /// The job has ended, and this is how.
    pub fn tell(mut self, result: Result<(), IoError>) {
        self.tell_once(result);
    }

    fn tell_once(&mut self, result: Result<(), IoError>) {
        if let Some((table, line, job)) = self.job.take()
            && let Some(pump) = table.pump(line)
        {
            pump.ended(&table, job, result);
        }
    }
}

impl<H: Host> Drop for Ended<H> {
    fn drop(&mut self) {
        self.tell_once(Err(IoError::Failed));
    }
}
