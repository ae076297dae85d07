//! Memory of the heap for rings that no device ever sees: [`Heap`].

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::{alloc_zeroed, dealloc};

use levitate_hal::{Direction, Dma, DmaAddr, DmaAllocation, DmaError};

/// Memory of the heap, under the CPU's address.
#[derive(Clone, Debug)]
pub(super) struct Heap;

// SAFETY: the heap's memory is zeroed, aligned and nobody else's until it is released; the device is this test; nothing is mapped.
unsafe impl Dma for Heap {
    fn allocate(&self, layout: Layout) -> Result<DmaAllocation, DmaError> {
        assert_ne!(layout.size(), 0);
        // SAFETY: the size is not 0.
        let cpu = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
        let device = DmaAddr::new(cpu.addr().get() as u64);
        Ok(DmaAllocation { cpu, device })
    }

    unsafe fn release(&self, allocation: DmaAllocation, layout: Layout) {
        // SAFETY: the caller has both from one `allocate`.
        unsafe { dealloc(allocation.cpu.as_ptr(), layout) };
    }

    unsafe fn map(&self, buffer: NonNull<[u8]>, _: Direction) -> Result<DmaAddr, DmaError> {
        let size_bytes = buffer.len();
        Err(DmaError::NotMappable { size_bytes })
    }

    unsafe fn unmap(&self, _: NonNull<[u8]>, _: DmaAddr, _: Direction) {}
}
