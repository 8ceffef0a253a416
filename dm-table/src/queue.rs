//! A few items that wait for their turn, in fixed storage.

/// At most `N` items, first in, first out; one more is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Queue<T, const N: usize> {
    items: [Option<T>; N],
    waiting: bool,
}

impl<T, const N: usize> Queue<T, N> {
    pub(crate) const fn new() -> Queue<T, N> {
        Queue {
            items: [const { None }; N],
            waiting: false,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        !self.waiting
    }

    pub(crate) fn push(&mut self, item: T) {
        debug_assert!(self.items.iter().any(Option::is_none), "no room");
        if let Some(free) = self.items.iter_mut().find(|item| item.is_none()) {
            *free = Some(item);
            self.waiting = true;
        }
    }

    pub(crate) fn extend(&mut self, item: Option<T>) {
        if let Some(item) = item {
            self.push(item);
        }
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        if !self.waiting {
            return None;
        }
        let next = self.items.iter_mut().find_map(Option::take);
        self.waiting = self.items.iter().any(Option::is_some);
        next
    }
}

#[cfg(test)]
mod tests;
