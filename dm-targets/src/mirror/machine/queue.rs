//! Slots in the order in which they came.

use alloc::vec::Vec;

use dm_sync::OutOfMemory;

use crate::Slot;

/// A queue with room for each slot once, which is never to grow.
pub(super) struct Queue {
    places: Vec<Slot>,
    first: usize,
    len: usize,
}

impl Queue {
    pub(super) fn new(slots: Slot) -> Result<Queue, OutOfMemory> {
        let mut places = Vec::new();
        places.try_reserve_exact(usize::from(slots))?;
        places.resize(usize::from(slots), 0);
        Ok(Queue { places, first: 0, len: 0 })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a slot at the end; it must not be in the queue already.
    pub(super) fn push(&mut self, slot: Slot) {
        let place = self.place(self.len);
        if self.len < self.places.len()
            && let Some(place) = self.places.get_mut(place)
        {
            *place = slot;
            self.len = self.len.saturating_add(1);
        }
    }

    pub(super) fn first(&self) -> Option<Slot> {
        if self.is_empty() { None } else { self.places.get(self.first).copied() }
    }

    pub(super) fn pop(&mut self) -> Option<Slot> {
        let slot = self.first()?;
        self.first = self.place(1);
        self.len = self.len.saturating_sub(1);
        Some(slot)
    }

    /// Where the `n`-th slot of the queue is.
    fn place(&self, n: usize) -> usize {
        let place = self.first.saturating_add(n);
        if place < self.places.len() { place } else { place.saturating_sub(self.places.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_leave_in_the_order_in_which_they_came() {
        let mut queue = Queue::new(3).unwrap();
        let mut next = 0;
        for round in 0..10 {
            for slot in 0..3 {
                queue.push(round * 3 + slot);
            }
            queue.push(99);
            assert_eq!(queue.len(), 3, "nothing is added where there is no room");
            for _ in 0..1 + round % 3 {
                assert_eq!((queue.first(), queue.pop()), (Some(next), Some(next)));
                next += 1;
            }
            while queue.pop().is_some() {
                next += 1;
            }
            assert!(queue.is_empty());
        }
    }
}
