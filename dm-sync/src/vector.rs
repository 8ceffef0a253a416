//! Vectors that change without a way to panic.
//!
//! The methods of `Vec` do the same once there is room and the place is checked, but where the
//! compiler does not see that, it leaves the path on which they would panic.

use alloc::vec::Vec;
use core::ptr;

use crate::OutOfMemory;

/// Adds `value` at the end of `vec`; drops it when there is no memory for it.
#[inline]
pub fn try_push<T>(vec: &mut Vec<T>, value: T) -> Result<(), OutOfMemory> {
    vec.try_reserve(1)?;
    let place = vec.spare_capacity_mut().first_mut().ok_or(OutOfMemory)?;
    place.write(value);
    let length = vec.len().wrapping_add(1);
    // SAFETY: the place behind the last value was there, and now there is a value in it.
    unsafe { vec.set_len(length) };
    Ok(())
}

/// Puts `value` before the `at`-th of `vec`, or at the end if there are fewer; drops it when there is
/// no memory for it.
pub fn try_insert<T>(vec: &mut Vec<T>, at: usize, value: T) -> Result<(), OutOfMemory> {
    vec.try_reserve(1)?;
    let length = vec.len();
    let at = at.min(length);
    // SAFETY: `at` is not past the end, and behind the end there is room for one more. The values
    // from `at` on move there by one, and what is left in the gap is overwritten, not dropped.
    unsafe {
        let place = vec.as_mut_ptr().add(at);
        ptr::copy(place, place.add(1), length.wrapping_sub(at));
        place.write(value);
        vec.set_len(length.wrapping_add(1));
    }
    Ok(())
}

/// Takes the `at`-th value out of `vec`, and moves those behind it up; `None` if it has fewer.
pub fn take_at<T>(vec: &mut Vec<T>, at: usize) -> Option<T> {
    let behind = vec.len().checked_sub(at)?.checked_sub(1)?;
    // SAFETY: there is an `at`-th value, and `behind` that many behind it. It is read once, and its
    // place is taken by the next or lies behind the new end.
    unsafe {
        let place = vec.as_mut_ptr().add(at);
        let value = place.read();
        ptr::copy(place.add(1), place, behind);
        vec.set_len(at.wrapping_add(behind));
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn change_like_those_that_panic_and_drop_every_value_once() {
        let alive = Rc::new(());
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for n in 0usize..200 {
            let value = || (n, alive.clone());
            match n % 4 {
                0 | 1 => {
                    try_push(&mut ours, value()).unwrap();
                    plain.push(n);
                }
                2 => {
                    let at = n * 7 % (plain.len() + 1);
                    try_insert(&mut ours, at, value()).unwrap();
                    plain.insert(at, n);
                }
                _ => {
                    let at = n * 5 % plain.len();
                    assert_eq!(take_at(&mut ours, at).map(|(n, _)| n), Some(plain.remove(at)));
                }
            }
            assert!(ours.iter().map(|(n, _)| n).eq(&plain));
            assert_eq!(Rc::strong_count(&alive), 1 + plain.len());
        }
        assert!(take_at(&mut ours, plain.len()).is_none());
        try_insert(&mut ours, usize::MAX, (7, alive.clone())).unwrap();
        assert_eq!(ours.last().map(|(n, _)| *n), Some(7), "past the end is at the end");
        drop(ours);
        assert_eq!(Rc::strong_count(&alive), 1);
    }
}
