//! A few items that wait for their turn, in fixed storage.

/// At most `N` items, first in, first out. Whoever pushes knows that there is room; in a release
/// build an item too many is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Queue<T, const N: usize> {
    items: [Option<T>; N],
    waiting: usize,
}

impl<T, const N: usize> Queue<T, N> {
    pub(crate) const fn new() -> Queue<T, N> {
        Queue { items: [const { None }; N], waiting: 0 }
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    pub(crate) fn push(&mut self, item: T) {
        debug_assert!(self.waiting < N, "no room for another item");
        if let Some(free) = self.items.get_mut(self.waiting) {
            *free = Some(item);
            self.waiting = self.waiting.saturating_add(1);
        }
    }

    pub(crate) fn extend(&mut self, item: Option<T>) {
        if let Some(item) = item {
            self.push(item);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let next = self.items.first_mut()?.take()?;
        self.items.rotate_left(1);
        self.waiting = self.waiting.saturating_sub(1);
        Some(next)
    }
}

#[cfg(test)]
mod tests;
