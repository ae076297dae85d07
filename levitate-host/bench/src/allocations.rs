//! Counts what is allocated from the heap: [`count`].

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's heap, counted.
struct Counted;

#[global_allocator]
static HEAP: Counted = Counted;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Returns how many allocations there were up to now.
pub(crate) fn count() -> u64 {
    // Relaxed: one thread measures, and it reads what it wrote itself.
    COUNT.load(Ordering::Relaxed)
}

/// Counts one. Not one atomic step, which would be a good part of the time that is measured: threads that allocate at the same
/// moment count as one.
fn add_one() {
    // Relaxed: as in `count`.
    COUNT.store(count().wrapping_add(1), Ordering::Relaxed);
}

// SAFETY: all of it is the system's.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add_one();
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add_one();
        // SAFETY: as the caller says.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        add_one();
        // SAFETY: as the caller says.
        unsafe { System.realloc(memory, layout, len) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(memory, layout) }
    }
}
