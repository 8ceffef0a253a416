//! What an index takes, counted by the allocator itself.

#![cfg(feature = "alloc")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dm_btree::{BTree64, Index, SectorIndex, Staged};

/// Counts the bytes that each thread allocates: the harness allocates on another, at any time.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: each call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().wrapping_add(layout.size()));
        // SAFETY: the caller's promises are the system allocator's terms.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: the caller's promises are the system allocator's terms.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `build` leaves allocated on this thread.
fn held<T>(build: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    let built = build();
    (built, HELD.get().wrapping_sub(before))
}

#[test]
fn bytes_a_target() {
    for len in [10_000, 100_000, 1_000_000] {
        // Lines of 1 GiB: the longest table spans 2^41 sectors, 488 groups of the staged form.
        let ends: Vec<u64> = (1..=len as u64).map(|n| (n << 21) - 1).collect();
        let (tree, wide) = held(|| BTree64::build(&ends, Vec::new()).unwrap());
        assert_eq!(tree.memory(), wide);
        assert!(wide * 10 <= len * 92, "64-bit: {wide} bytes for {len} targets");
        let (tree, staged) = held(|| Staged::build(&ends, Vec::new(), Vec::new()).unwrap());
        assert_eq!(tree.memory(), staged);
        assert!(staged * 10 <= len * 47, "staged: {staged} bytes for {len} targets");
        let (index, chosen) = held(|| Index::build(ends.clone()).unwrap());
        assert_eq!(index.memory(), chosen, "the keys handed over are given back");
        println!("{len} targets: 64-bit {wide} bytes, staged {staged}");
    }
}
