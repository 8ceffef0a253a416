//! Whether each line starts where the one before it ends.

use crate::error::TableReason;
use crate::sector::{Sector, SectorRange, Sectors};

/// Where the next line may start.
///
/// One mistake must be one error. Behind a line that starts at the wrong sector, either what it says
/// or what it should have said may be continued; behind a line without a readable length, the next
/// may start anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    /// The likelier first; none at all where anything goes.
    ends: [Option<Sector>; 2],
    first: bool,
}

impl Sequence {
    pub(crate) const START: Sequence = Sequence { ends: [Some(Sector::ZERO), None], first: true };

    /// Takes up the next line if it starts where it should, and tells whether it does.
    #[inline]
    pub(crate) fn follow(&mut self, range: SectorRange) -> bool {
        let follows = self.ends == [Some(range.start()), None];
        if follows {
            *self = Sequence { ends: [Some(range.end()), None], first: false };
        }
        follows
    }

    /// Takes up the next line, as much of it as could be read, and judges where it starts.
    pub(crate) fn place(
        &mut self,
        start: Option<Sector>,
        length: Option<Sectors>,
    ) -> Result<(), TableReason<'static>> {
        let expected = self.ends[0].or(self.ends[1]);
        let (starts, verdict) = match (start, expected) {
            (Some(found), Some(expected)) if !self.ends.contains(&Some(found)) => {
                ([start, Some(expected)], Err(self.misplaced(expected, found)))
            }
            (Some(_), _) => ([start, None], Ok(())),
            (None, _) => (self.ends, Ok(())),
        };
        self.ends = starts.map(|start| start?.checked_add(length?));
        self.first = false;
        verdict
    }

    #[cold]
    fn misplaced(&self, expected: Sector, found: Sector) -> TableReason<'static> {
        if self.first {
            TableReason::NotAtZero { found }
        } else if found > expected {
            TableReason::Gap { expected, found }
        } else {
            TableReason::Overlap { expected, found }
        }
    }
}

#[cfg(test)]
mod tests;
