//! The kernel's heap.
//!
//! When it is used up, an allocation that cannot be refused ends in a panic that says so.

use core::alloc::Layout;

use talc::TalcLock;
use talc::source::Manual;

use super::{MemoryError, frames};
use crate::arch::BOOT_MEMORY;
use crate::lock::MaskingLock;

/// Length of the heap.
pub(crate) const SIZE_BYTES: usize = 32 << 20;

/// The heap begins at a multiple of this.
const ALIGN_BYTES: usize = 1 << 16;

#[global_allocator]
static HEAP: TalcLock<MaskingLock, Manual> = TalcLock::new(Manual);

/// Gives the heap its memory.
///
/// # Errors
///
/// [`MemoryError::NoHeap`] if there is not enough of it, [`MemoryError::HeapNotMapped`] if it is not mapped yet.
///
/// # Safety
///
/// It is called once, when no pages have been allocated yet.
pub(super) unsafe fn start() -> Result<(), MemoryError> {
    const NO_HEAP: MemoryError = MemoryError::NoHeap {
        size_bytes: SIZE_BYTES,
    };
    let layout = Layout::from_size_align(SIZE_BYTES, ALIGN_BYTES).map_err(|_| NO_HEAP)?;
    let pages = frames::allocate(layout).ok_or(NO_HEAP)?;
    if pages.start < BOOT_MEMORY.start || BOOT_MEMORY.end < pages.end {
        return Err(MemoryError::HeapNotMapped {
            start: pages.start,
            end: pages.end,
        });
    }
    let start = pages.start as *mut u8;
    // SAFETY: the pages were just allocated, are never given back, and are mapped since boot; `Manual` allows claims.
    let claimed = unsafe { HEAP.lock().claim(start, pages.len()) };
    claimed.map(drop).ok_or(NO_HEAP)
}

/// Returns how many bytes are allocated now.
pub(crate) fn allocated_bytes() -> usize {
    HEAP.lock().counters().allocated_bytes
}

/// Returns how often something was allocated.
pub(crate) fn allocations() -> u64 {
    HEAP.lock().counters().total_allocation_count
}
