//! The gate between a mapped device and the table behind it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::{OutOfMemory, try_box, try_push};

/// Holds a value that many requests use at once, and that changes only while none is on its way.
///
/// A request that [enters](Gate::enter) looks at the value, and takes a [`Pass`] along that it
/// carries until it completes. Closing turns newcomers away; once the last pass is dropped the gate is
/// *shut*, its owner is told, and the value may be changed. One mechanism thus keeps the table
/// alive under the requests that it maps, counts those in flight, and drains them.
///
/// Requests are counted in several places, a cache line each, so that CPUs that pick different
/// ones do not disturb one another. Entering is one atomic step, and so is leaving.
///
/// A gate moves from shut, through [`open`](Gate::open), to open; through [`close`](Gate::close) to
/// closing; and, when the last pass is dropped, to shut again.
pub struct Gate<T> {
    inner: NonNull<Inner<T>>,
    owns: PhantomData<Inner<T>>,
}

/// What outlives the gate while passes are out. They know it by its first field alone.
#[repr(C)]
struct Inner<T> {
    counters: Counters,
    value: UnsafeCell<Option<T>>,
}

struct Counters {
    phase: AtomicU8,
    /// Slots that are open, or closed with passes out.
    busy_slots: AtomicUsize,
    /// The gate itself, and one more while a slot is busy. Whoever leaves last frees.
    users: AtomicUsize,
    on_shut: Box<dyn Fn() + Send + Sync>,
    /// Frees the [`Inner`] that these are the counters of.
    free: unsafe fn(NonNull<Counters>),
    slots: Box<[Slot]>,
}

/// One place of counting: [`CLOSED`], and [`ONE`] for each pass.
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
/// It may outlive the gate, and keeps the value alive then. A clone counts as one more.
pub struct Pass {
    slot: NonNull<Slot>,
}

/// The value, as seen by a request that has entered.
pub struct Entered<'g, T> {
    value: &'g T,
    pass: Pass,
}

// SAFETY: the gate hands out `&T` to many threads and lets any of them put in or take out a `T`;
// everything else in it is atomic.
unsafe impl<T: Send + Sync> Send for Gate<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Gate<T> {}
// SAFETY: a pass reaches atomics and `on_shut`, which is `Send` and `Sync`. The last one may drop
// the value, on its own thread: `open` takes only what may be sent there.
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
        let on_shut: Box<dyn Fn() + Send + Sync> = try_box(on_shut)?;
        let mut places = Vec::new();
        places.try_reserve_exact(slots.max(1))?;
        let counters = Counters {
            phase: AtomicU8::new(SHUT),
            busy_slots: AtomicUsize::new(0),
            users: AtomicUsize::new(1),
            on_shut,
            free: free::<T>,
            slots: Box::default(),
        };
        let inner = try_box(Inner { counters, value: UnsafeCell::new(None) })?;
        let inner = NonNull::from(Box::leak(inner));
        for _ in 0..slots.max(1) {
            // There is room for it.
            let slot = Slot { word: AtomicUsize::new(CLOSED), counters: inner.cast() };
            let _ = try_push(&mut places, slot);
        }
        // SAFETY: nobody else knows of `inner` yet. `places` is full to its capacity, so that
        // boxing it allocates nothing.
        unsafe { (*inner.as_ptr()).counters.slots = places.into_boxed_slice() };
        Ok(Gate { inner, owns: PhantomData })
    }

    /// Lets a request in, through the slot that `hint` picks (any number; best one for each CPU).
    ///
    /// Returns `None` unless the gate is open.
    #[inline]
    pub fn enter(&self, hint: usize) -> Option<Entered<'_, T>> {
        let slots = &*self.counters().slots;
        let slot = slots.get(hint).or_else(|| slots.get(hint.checked_rem(slots.len())?))?;
        let mut word = slot.word.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 {
                return None;
            }
            let entered = word.wrapping_add(ONE);
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
        let pass = Pass { slot: NonNull::from(slot) };
        // SAFETY: the slot was open, so the gate was, and `open` had written the value before it
        // opened the slot (release, acquired above). It stays until the gate is shut, which takes
        // `pass` to be dropped, and `Entered` holds that for as long as it lends the value.
        let value = unsafe { (*self.value()).as_ref() }?;
        Some(Entered { value, pass })
    }

    /// Puts `value` in and opens the gate; gives it back unless the gate is shut and empty.
    pub fn open(&self, value: T) -> Result<(), T>
    where
        T: Send + 'static,
    {
        let counters = self.counters();
        if !counters.advance(SHUT, CHANGING) {
            return Err(value);
        }
        // SAFETY: shut, so nobody who entered looks at the value; `CHANGING` keeps everybody else out.
        let place = unsafe { &mut *self.value() };
        if place.is_some() {
            counters.phase.store(SHUT, Ordering::Release);
            return Err(value);
        }
        *place = Some(value);
        counters.busy_slots.store(counters.slots.len(), Ordering::Relaxed);
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
                unsafe { Counters::slot_emptied(self.inner.cast()) };
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
        let value = unsafe { (*self.value()).take() };
        counters.phase.store(SHUT, Ordering::Release);
        value
    }

    /// Whether newcomers are turned away and none that came earlier is left.
    pub fn is_shut(&self) -> bool {
        matches!(self.counters().phase.load(Ordering::Acquire), SHUT | CHANGING)
    }

    fn counters(&self) -> &Counters {
        // SAFETY: the gate is one of the users, so they live at least as long.
        unsafe { &self.inner.as_ref().counters }
    }

    fn value(&self) -> *mut Option<T> {
        // SAFETY: as above; the pointer is not read here.
        unsafe { self.inner.as_ref() }.value.get()
    }
}

impl<T> Drop for Gate<T> {
    fn drop(&mut self) {
        self.close();
        // SAFETY: the gate's own use ends here; `inner` is not touched again.
        unsafe { Counters::release(self.inner.cast()) };
    }
}

impl Counters {
    fn advance(&self, from: u8, to: u8) -> bool {
        self.phase.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
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
        if unsafe { this.as_ref() }.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: this was the last use, and `free` was made for what `this` is part of.
            unsafe { (this.as_ref().free)(this) };
        }
    }
}

/// # Safety
/// `counters` must be those of an `Inner<T>` that came from a box, and that nobody uses any more.
unsafe fn free<T>(counters: NonNull<Counters>) {
    // SAFETY: the counters are its first field (`repr(C)`), and the pointer was made of one to the
    // whole of it. The rest is as the caller promises.
    drop(unsafe { Box::from_raw(counters.cast::<Inner<T>>().as_ptr()) });
}

impl Clone for Pass {
    fn clone(&self) -> Pass {
        // SAFETY: this pass keeps its slot busy, and so alive. Relaxed, since it is in already.
        unsafe { self.slot.as_ref() }.word.fetch_add(ONE, Ordering::Relaxed);
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

impl<T> Entered<'_, T> {
    /// Stops looking at the value; the pass is to be carried until the request completes.
    #[inline]
    pub fn into_pass(self) -> Pass {
        self.pass
    }

    /// One more pass.
    pub fn pass(&self) -> Pass {
        self.pass.clone()
    }
}

impl<T> Deref for Entered<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
