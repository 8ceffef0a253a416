//! Makes a plan that fails smaller, as long as it still fails.

use std::mem::discriminant;

use crate::{Failure, Plan};

/// How many smaller plans are tried.
const MOST_TRIES: usize = 5_000;

/// In how many orders each is tried, since what is left out changes what the seed picks.
const ORDERS: usize = 4;

/// The smallest plan that was found to fail in the way that this one does, and how it fails.
///
/// Returns `None` if it does not fail.
pub fn shrink(plan: &Plan) -> Option<(Plan, Failure)> {
    let failure = plan.run().failure?;
    let mut search = Search { best: plan.clone(), failure, tries: MOST_TRIES };
    loop {
        let before = search.size();
        search.drop_pieces(|plan| plan.controls.len(), |plan, at| drop(plan.controls.drain(at)));
        search.drop_pieces(|plan| plan.requests.len(), |plan, at| drop(plan.requests.drain(at)));
        for in_flight in 1..search.best.in_flight {
            let smaller = Plan { in_flight, ..search.best.clone() };
            if search.attempt(smaller) {
                break;
            }
        }
        if search.size() >= before || search.tries == 0 {
            return Some((search.best, search.failure));
        }
    }
}

struct Search {
    best: Plan,
    failure: Failure,
    tries: usize,
}

impl Search {
    fn size(&self) -> usize {
        self.best.controls.len() + self.best.requests.len() + self.best.in_flight
    }

    /// Drops pieces of a list, at first large ones, then smaller ones.
    fn drop_pieces(
        &mut self,
        length: impl Fn(&Plan) -> usize,
        cut: impl Fn(&mut Plan, std::ops::Range<usize>),
    ) {
        let mut piece = length(&self.best);
        while piece > 0 {
            let mut at = length(&self.best);
            while at > 0 {
                let start = at.saturating_sub(piece);
                let mut smaller = self.best.clone();
                cut(&mut smaller, start..at);
                self.attempt(smaller);
                at = start.min(length(&self.best));
            }
            piece /= 2;
        }
    }

    fn attempt(&mut self, mut smaller: Plan) -> bool {
        for _ in 0..ORDERS {
            if self.tries == 0 {
                return false;
            }
            self.tries -= 1;
            match smaller.run().failure {
                Some(failure) if discriminant(&failure) == discriminant(&self.failure) => {
                    (self.best, self.failure) = (smaller, failure);
                    return true;
                }
                _ => smaller.schedule = smaller.schedule.wrapping_add(1),
            }
        }
        false
    }
}
