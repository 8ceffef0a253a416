//! What can be wrong with a disk.

use std::ops::Range;

use dm_core::{BioOp, IoError, Op};

use crate::Random;

/// Requests that a disk fails.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Which kinds of requests.
    pub on: FaultOn,
    /// Those that touch these sectors. A flush touches all of them.
    pub sectors: Range<u64>,
    /// How many requests, before all is well again; `None` for all that come.
    pub times: Option<u32>,
    /// What they fail with.
    pub error: IoError,
}

/// The kinds of requests that fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FaultOn {
    /// Reads.
    Reads,
    /// Whatever changes sectors.
    Writes,
    /// Flushes.
    Flushes,
    /// All of them.
    Everything,
}

impl Fault {
    /// Everything fails, for good.
    pub const fn everything(error: IoError) -> Fault {
        Fault { on: FaultOn::Everything, sectors: 0..u64::MAX, times: None, error }
    }

    /// Any fault on a disk of that many sectors: of one request or of all, on some sectors or all.
    pub fn random(random: &mut Random, sectors: u64) -> Fault {
        let kinds = [
            FaultOn::Reads,
            FaultOn::Writes,
            FaultOn::Writes,
            FaultOn::Flushes,
            FaultOn::Everything,
        ];
        let on = *random.pick(&kinds);
        let first = random.below(sectors);
        let some = first..first + random.between(1, 16);
        let sectors = if random.coin() { some } else { 0..u64::MAX };
        let times = random.percent(60).then(|| random.between(1, 4) as u32);
        let error = *random.pick(&[IoError::Failed, IoError::Failed, IoError::NoSpace]);
        Fault { on, sectors, times, error }
    }

    fn is_about(&self, op: BioOp, sectors: &Range<u64>) -> bool {
        let kind = match (self.on, op) {
            (FaultOn::Everything, _)
            | (FaultOn::Flushes, BioOp::Flush)
            | (FaultOn::Reads, BioOp::Data(Op::Read)) => true,
            (FaultOn::Writes, BioOp::Data(op)) => op.is_write(),
            _ => false,
        };
        let touched = self.sectors.start < sectors.end && sectors.start < self.sectors.end;
        kind && (touched || op == BioOp::Flush)
    }
}

/// The error that a request meets, if any. Faults that are used up go away.
pub(super) fn meet(faults: &mut Vec<Fault>, op: BioOp, sectors: &Range<u64>) -> Option<IoError> {
    let n = faults.iter().position(|fault| fault.is_about(op, sectors))?;
    let error = faults[n].error;
    if let Some(times) = &mut faults[n].times {
        *times = times.saturating_sub(1);
        if *times == 0 {
            faults.remove(n);
        }
    }
    Some(error)
}
