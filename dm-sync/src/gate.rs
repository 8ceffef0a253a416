//! The gate between a mapped device and the table behind it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use crate::{OutOfMemory, try_box};

/// Holds a value that many requests use at once, and that changes only while none is on its way.
///
/// A request that [enters](Gate::enter) gets the value to look at, and a [`Pass`] that it carries
/// until it completes. Closing turns newcomers away; once the last pass is dropped the gate is
/// *shut*, its owner is told, and the value may be changed. One mechanism thus keeps the table
/// alive under the requests that it maps, counts those in flight, and drains them.
///
/// Requests are counted in several places, a cache line each, so that CPUs that pick different
/// ones do not disturb one another. Entering is one atomic step, and so is leaving.
///
/// A gate moves from shut, through [`open`](Gate::open), to open; through [`close`](Gate::close) to
/// closing; and, when the last pass is dropped, to shut again.
pub struct Gate<T> {
    value: UnsafeCell<Option<T>>,
    counters: NonNull<Counters>,
}

/// What outlives the gate while passes are out.
struct Counters {
    phase: AtomicU8,
    /// Slots that are open, or closed with passes out.
    busy_slots: AtomicUsize,
    /// The gate itself, and one more while a slot is busy. Whoever leaves last frees.
    users: AtomicUsize,
    on_shut: Box<dyn Fn() + Send + Sync>,
    slots: Box<[Slot]>,
}

/// One place of counting: [`CLOSED`], and [`ONE`] for each pass or guard.
#[repr(align(128))]
struct Slot {
    word: AtomicUsize,
    counters: NonNull<Counters>,
}

const CLOSED: usize = 1;
const ONE: usize = 2;

const SHUT: u8 = 0;
const OPEN: u8 = 1;
const CLOSING: u8 = 2;
/// Somebody has the value in hand.
const CHANGING: u8 = 3;

/// A request's permission to be on its way; the gate stays unshut until it is dropped.
///
/// It may outlive the gate. A clone counts as one more.
pub struct Pass {
    slot: NonNull<Slot>,
}

/// The value, for as long as a request is being mapped.
pub struct Guard<'g, T> {
    value: &'g T,
    _pass: Pass,
}

// SAFETY: the gate hands out `&T` to many threads and lets any of them put in or take out a `T`;
// everything else in it is atomic.
unsafe impl<T: Send + Sync> Send for Gate<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Gate<T> {}
// SAFETY: a pass only reaches atomics and `on_shut`, which is `Send` and `Sync`.
unsafe impl Send for Pass {}
// SAFETY: as above.
unsafe impl Sync for Pass {}

impl<T> Gate<T> {
    /// A shut gate without a value, which counts in `slots` places (at least one).
    ///
    /// `on_shut` is called each time the gate becomes shut, in the context of whoever dropped the
    /// last pass: in a kernel that may be an interrupt.
    pub fn new(
        slots: usize,
        on_shut: impl Fn() + Send + Sync + 'static,
    ) -> Result<Gate<T>, OutOfMemory> {
        let counters = try_box(Counters {
            phase: AtomicU8::new(SHUT),
            busy_slots: AtomicUsize::new(0),
            users: AtomicUsize::new(1),
            on_shut: try_box(on_shut)?,
            slots: Box::default(),
        })?;
        let mut places = Vec::new();
        places.try_reserve_exact(slots.max(1))?;
        let raw = Box::into_raw(counters);
        // SAFETY: fresh from `into_raw`, so not null.
        let counters = unsafe { NonNull::new_unchecked(raw) };
        for _ in 0..slots.max(1) {
            places.push(Slot {
                word: AtomicUsize::new(CLOSED),
                counters,
            });
        }
        // SAFETY: nobody else knows of `raw` yet. Length is capacity, so nothing is reallocated.
        unsafe { (*raw).slots = places.into_boxed_slice() };
        Ok(Gate {
            value: UnsafeCell::new(None),
            counters,
        })
    }

    /// Lets a request in, through the slot that `hint` picks (any number; best one for each CPU).
    ///
    /// Returns `None` unless the gate is open.
    #[inline]
    pub fn enter(&self, hint: usize) -> Option<(Guard<'_, T>, Pass)> {
        let slots = &*self.counters().slots;
        let slot = if hint < slots.len() {
            slots.get(hint)
        } else {
            slots.get(hint % slots.len())
        }?;
        let mut word = slot.word.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 {
                return None;
            }
            // One for the guard and one for the pass, in a single step.
            let entered = word.wrapping_add(2 * ONE);
            match slot.word.compare_exchange_weak(
                word,
                entered,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        let slot = NonNull::from(slot);
        let (inside, pass) = (Pass { slot }, Pass { slot });
        // SAFETY: the slot was open, so the gate was, and `open` had written the value before it
        // opened the slot (release, acquired above). It stays until the gate is shut, which takes
        // `inside` to be dropped, and the guard holds that for as long as it lends the value.
        let value = unsafe { (*self.value.get()).as_ref() }?;
        Some((
            Guard {
                value,
                _pass: inside,
            },
            pass,
        ))
    }

    /// Puts `value` in and opens the gate; gives it back unless the gate is shut and empty.
    pub fn open(&self, value: T) -> Result<(), T> {
        let counters = self.counters();
        if !counters.advance(SHUT, CHANGING) {
            return Err(value);
        }
        // SAFETY: shut, so no guard lends the value; `CHANGING` keeps everybody else out.
        let place = unsafe { &mut *self.value.get() };
        if place.is_some() {
            counters.phase.store(SHUT, Ordering::Release);
            return Err(value);
        }
        *place = Some(value);
        counters
            .busy_slots
            .store(counters.slots.len(), Ordering::Relaxed);
        counters.users.fetch_add(1, Ordering::Relaxed);
        for slot in &counters.slots {
            slot.word.store(0, Ordering::Release);
        }
        // Only now may `close` begin: it must find every slot open.
        counters.phase.store(OPEN, Ordering::Release);
        Ok(())
    }

    /// Turns newcomers away. Returns whether the gate was open.
    ///
    /// It is shut when the last pass is dropped, which may be before this returns.
    pub fn close(&self) -> bool {
        let counters = self.counters();
        if !counters.advance(OPEN, CLOSING) {
            return false;
        }
        for slot in &counters.slots {
            if slot.word.fetch_or(CLOSED, Ordering::AcqRel) == 0 {
                // SAFETY: the gate is one of the users, so this cannot free the counters.
                unsafe { Counters::slot_emptied(self.counters) };
            }
        }
        true
    }

    /// Takes the value out of a shut gate; `None` if the gate is not shut, or is empty.
    pub fn take(&self) -> Option<T> {
        let counters = self.counters();
        if !counters.advance(SHUT, CHANGING) {
            return None;
        }
        // SAFETY: as in `open`.
        let value = unsafe { (*self.value.get()).take() };
        counters.phase.store(SHUT, Ordering::Release);
        value
    }

    /// Whether newcomers are turned away and none that came earlier is left.
    pub fn is_shut(&self) -> bool {
        matches!(
            self.counters().phase.load(Ordering::Acquire),
            SHUT | CHANGING
        )
    }

    fn counters(&self) -> &Counters {
        // SAFETY: the gate is one of the users, so the counters live at least as long.
        unsafe { self.counters.as_ref() }
    }
}

impl<T> Drop for Gate<T> {
    fn drop(&mut self) {
        self.close();
        // SAFETY: the gate's own use ends here; `self.counters` is not touched again.
        unsafe { Counters::release(self.counters) };
    }
}

impl Counters {
    fn advance(&self, from: u8, to: u8) -> bool {
        self.phase
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// A closed slot has lost its last pass; this happens once a slot each time the gate closes.
    ///
    /// # Safety
    /// The caller's use of the counters must keep them alive until the call: a busy slot does.
    unsafe fn slot_emptied(this: NonNull<Counters>) {
        // SAFETY: alive, as the caller promises, and until `release` below in any case.
        let counters = unsafe { this.as_ref() };
        if counters.busy_slots.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        counters.phase.store(SHUT, Ordering::Release);
        (counters.on_shut)();
        // SAFETY: this ends the use that the busy slots had.
        unsafe { Counters::release(this) };
    }

    /// # Safety
    /// The caller gives up one of the uses that `users` counts.
    unsafe fn release(this: NonNull<Counters>) {
        // SAFETY: the caller's use keeps them alive up to here.
        if unsafe { this.as_ref() }
            .users
            .fetch_sub(1, Ordering::AcqRel)
            == 1
        {
            // SAFETY: they came from `Box::into_raw`, and this was the last use.
            drop(unsafe { Box::from_raw(this.as_ptr()) });
        }
    }
}

impl Clone for Pass {
    fn clone(&self) -> Pass {
        // SAFETY: this pass keeps its slot busy, and so alive. Relaxed, since it is in already.
        unsafe { self.slot.as_ref() }
            .word
            .fetch_add(ONE, Ordering::Relaxed);
        Pass { slot: self.slot }
    }
}

impl Drop for Pass {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this pass keeps its slot busy, and so alive, up to the subtraction. Read before:
        // afterwards another thread may free the slot.
        let (before, counters) = unsafe {
            let slot = self.slot.as_ref();
            let counters = slot.counters;
            (slot.word.fetch_sub(ONE, Ordering::AcqRel), counters)
        };
        if before == ONE | CLOSED {
            // SAFETY: this slot still counts as busy, which keeps the counters alive.
            unsafe { Counters::slot_emptied(counters) };
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value
    }
}

#[cfg(test)]
mod tests;
