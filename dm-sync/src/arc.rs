//! A shared pointer whose allocation can fail.

use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::atomic::{AtomicUsize, Ordering};
use crate::{OutOfMemory, try_box};

/// `alloc::sync::Arc` without weak pointers, made by [`Arc::try_new`].
pub struct Arc<T> {
    inner: NonNull<Inner<T>>,
    owns: PhantomData<Inner<T>>,
}

struct Inner<T> {
    owners: AtomicUsize,
    value: T,
}

// SAFETY: as for `alloc::sync::Arc`: clones share a `&T` between threads, and the last one, on
// whichever thread, drops the `T`.
unsafe impl<T: Send + Sync> Send for Arc<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Arc<T> {}

impl<T> Arc<T> {
    /// Moves `value` to the heap; drops it when there is no memory for it.
    pub fn try_new(value: T) -> Result<Arc<T>, OutOfMemory> {
        let inner = try_box(Inner { owners: AtomicUsize::new(1), value })?;
        Ok(Arc { inner: NonNull::from(Box::leak(inner)), owns: PhantomData })
    }

    /// Whether both share one value.
    pub fn ptr_eq(a: &Arc<T>, b: &Arc<T>) -> bool {
        a.inner == b.inner
    }

    /// The value, to be changed; `None` if others share it.
    pub fn get_mut(this: &mut Arc<T>) -> Option<&mut T> {
        // Acquire: all uses by owners that are gone come before the change.
        if this.inner().owners.load(Ordering::Acquire) != 1 {
            return None;
        }
        // SAFETY: `this` is the only owner, and borrowed for as long as the reference lives, so that
        // nobody can become another; there are no weak pointers.
        Some(unsafe { &mut this.inner.as_mut().value })
    }

    fn inner(&self) -> &Inner<T> {
        // SAFETY: `self` is an owner, and `Inner` lives until the last owner is dropped.
        unsafe { self.inner.as_ref() }
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Arc<T> {
        // Relaxed: the new owner comes from one that is alive. The count cannot wrap: 2^64 clones
        // do not fit into memory, nor can they be made and forgotten in anybody's lifetime.
        self.inner().owners.fetch_add(1, Ordering::Relaxed);
        Arc { inner: self.inner, owns: PhantomData }
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        if self.inner().owners.fetch_sub(1, Ordering::Release) == 1 {
            // Pairs with the release above: all uses by other owners come before the drop. A fence would
            // do, but ThreadSanitizer does not understand it.
            self.inner().owners.load(Ordering::Acquire);
            // SAFETY: this was the last owner, and `inner` came from `Box::leak`.
            drop(unsafe { Box::from_raw(self.inner.as_ptr()) });
        }
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T: fmt::Debug> fmt::Debug for Arc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct CountsDrops<'a>(&'a AtomicUsize);

    impl Drop for CountsDrops<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn only_a_single_owner_may_change_the_value() {
        let mut first = Arc::try_new(1).unwrap();
        *Arc::get_mut(&mut first).unwrap() = 2;
        let second = first.clone();
        assert_eq!(Arc::get_mut(&mut first), None);
        drop(first);
        let mut second = second;
        assert_eq!(Arc::get_mut(&mut second), Some(&mut 2));
    }

    #[test]
    fn equal_values_in_different_places_are_not_the_same() {
        let (first, other) = (Arc::try_new(1).unwrap(), Arc::try_new(1).unwrap());
        assert!(Arc::ptr_eq(&first, &first.clone()));
        assert!(!Arc::ptr_eq(&first, &other));
    }

    #[test]
    fn looks_like_its_value() {
        assert_eq!(std::format!("{:?}", Arc::try_new([1, 2]).unwrap()), "[1, 2]");
    }

    #[test]
    fn the_last_of_many_threads_drops_the_value_once() {
        let drops = AtomicUsize::new(0);
        let first = Arc::try_new(CountsDrops(&drops)).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mine = first.clone();
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        let again = mine.clone();
                        assert!(Arc::ptr_eq(&again, &mine));
                    }
                });
            }
            assert_eq!(drops.load(Ordering::SeqCst), 0);
            drop(first);
        });
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}
