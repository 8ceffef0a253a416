//! An allocator that refuses when it is told to, and counts what is held; both for each thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

struct Refusing;

/// Which allocations of a thread are refused, counted from 0.
#[derive(Clone, Copy)]
pub(crate) enum Refuse {
    None,
    /// That one alone.
    Only(usize),
    /// That one, and all behind it.
    From(usize),
}

thread_local! {
    static REFUSE: Cell<Refuse> = const { Cell::new(Refuse::None) };
    static ASKED: Cell<usize> = const { Cell::new(0) };
    static REFUSED: Cell<bool> = const { Cell::new(false) };
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Runs `work` with some of its allocations refused. Returns whether any was.
pub(crate) fn refusing<T>(refuse: Refuse, work: impl FnOnce() -> T) -> (T, bool) {
    REFUSED.set(false);
    ASKED.set(0);
    REFUSE.set(refuse);
    let done = work();
    REFUSE.set(Refuse::None);
    (done, REFUSED.get())
}

/// Runs what is no part of the test: nothing of it is refused, or counts as asked for.
pub(crate) fn excluded<T>(work: impl FnOnce() -> T) -> T {
    let before = REFUSE.replace(Refuse::None);
    let done = work();
    REFUSE.set(before);
    done
}

/// How many blocks this thread holds, less those of others that it freed.
pub(crate) fn held() -> isize {
    HELD.get()
}

fn is_refused() -> bool {
    let refuse = REFUSE.get();
    if matches!(refuse, Refuse::None) {
        return false;
    }
    let n = ASKED.replace(ASKED.get() + 1);
    let refused = match refuse {
        Refuse::None => false,
        Refuse::Only(only) => n == only,
        Refuse::From(from) => n >= from,
    };
    REFUSED.set(REFUSED.get() | refused);
    refused
}

// SAFETY: what is not refused is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused() {
            return std::ptr::null_mut();
        }
        HELD.set(HELD.get() + 1);
        // SAFETY: the caller's promises are the system allocator's terms.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - 1);
        // SAFETY: the caller's promises are the system allocator's terms.
        unsafe { System.dealloc(memory, layout) }
    }
}
