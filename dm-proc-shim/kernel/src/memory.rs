//! The kernel's memory, for `alloc`.

use core::alloc::{GlobalAlloc, Layout};

use crate::glue;

struct KernelMemory;

#[global_allocator]
static MEMORY: KernelMemory = KernelMemory;

// SAFETY: `dmrs_alloc` gives memory of that size and alignment, or null, and `dmrs_free` takes it.
unsafe impl GlobalAlloc for KernelMemory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the trait demands, the size is not zero.
        unsafe { glue::dmrs_alloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: it came from `alloc`, as the trait demands.
        unsafe { glue::dmrs_free(memory) }
    }
}
