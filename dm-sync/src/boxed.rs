//! A box whose allocation can fail.

use alloc::alloc::{Layout, alloc};
use alloc::boxed::Box;
use core::ptr::NonNull;

use crate::OutOfMemory;

/// Moves `value` to the heap; drops it when there is no memory for it.
pub fn try_box<T>(value: T) -> Result<Box<T>, OutOfMemory> {
    let layout = Layout::new::<T>();
    let place: NonNull<T> = if layout.size() == 0 {
        NonNull::dangling()
    } else {
        // SAFETY: the layout is not of size zero.
        let raw = unsafe { alloc(layout) };
        NonNull::new(raw.cast::<T>()).ok_or(OutOfMemory)?
    };
    // SAFETY: `place` is aligned for `T` and ours alone: fresh from the global allocator with `T`'s
    // own layout, or dangling where `T` has no size. Both are what `Box` documents for `from_raw`.
    unsafe {
        place.as_ptr().write(value);
        Ok(Box::from_raw(place.as_ptr()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn holds_and_drops_what_it_was_given() {
        let text = try_box(String::from("sector")).unwrap();
        assert_eq!(*text, "sector");
        let unit = try_box(()).unwrap();
        drop((text, unit));
    }
}
