//! What loading a table takes: time, and memory at its peak against what the table itself needs.
//!
//! All memory that is allocated is counted; the text belongs to whoever loads it, and is not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dm_benches::idle;

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: each call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's terms.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's terms.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    for lines in [1, 16, 1000, 100_000, 1_000_000] {
        let text = idle::linear_lines(lines);
        let mapper = idle::mapper(true);
        let device = idle::device(&mapper, "0 8 zero\n");
        let before = HELD.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let start = Instant::now();
        idle::bind(&mapper, &device, &text);
        let took = start.elapsed();
        let table = HELD.load(Ordering::Relaxed) - before;
        let peak = PEAK.load(Ordering::Relaxed) - before;
        println!(
            "{lines:>9} lines: {:>9.3} ms; the table has {table:>9} bytes ({:.1} a line), at the peak there \
             were {peak:>9}: {:.2} times as many",
            took.as_secs_f64() * 1e3,
            table as f64 / lines as f64,
            peak as f64 / table as f64
        );
    }
}
