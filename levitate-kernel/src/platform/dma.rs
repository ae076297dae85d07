//! Memory shared with devices: [`KernelDma`].
//!
//! There is no IOMMU, memory is mapped where it is, and the devices are coherent: both addresses are the physical one.

use core::alloc::Layout;
use core::ptr::NonNull;

use levitate_hal::{Direction, Dma, DmaAddr, DmaAllocation, DmaError};

use crate::memory::frames;

/// The machine's free pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelDma;

// SAFETY:
// - `frames` hands out pages that are memory, mapped, and nobody else's until they are given back; they are zeroed here;
// - CPU and device address are the same number, and the devices of this machine are coherent (`dma-coherent`);
// - a buffer is mapped only if all of it is memory, where it is contiguous for the device as it is for the CPU;
// - nothing here panics: sums are checked, and `frames` returns errors.
unsafe impl Dma for KernelDma {
    fn allocate(&self, layout: Layout) -> Result<DmaAllocation, DmaError> {
        let (size_bytes, align_bytes) = (layout.size(), layout.align());
        if size_bytes == 0 {
            return Err(DmaError::InvalidLayout {
                size_bytes,
                align_bytes,
            });
        }
        let out_of_memory = DmaError::OutOfMemory {
            size_bytes,
            align_bytes,
        };
        let pages = frames::allocate(layout).ok_or(out_of_memory)?;
        let cpu = NonNull::new(pages.start as *mut u8).ok_or(out_of_memory)?;
        // SAFETY: the pages are mapped memory of this allocation's own.
        unsafe { cpu.write_bytes(0, pages.len()) };
        Ok(DmaAllocation {
            cpu,
            device: DmaAddr::new(pages.start as u64),
        })
    }

    unsafe fn release(&self, allocation: DmaAllocation, layout: Layout) {
        // SAFETY: they came from `allocate(layout)`, are not used any more, and are given back once, says the caller.
        unsafe { frames::release(allocation.cpu.addr().get(), layout) };
    }

    unsafe fn map(
        &self,
        buffer: NonNull<[u8]>,
        _direction: Direction,
    ) -> Result<DmaAddr, DmaError> {
        let start = buffer.addr().get();
        let size_bytes = buffer.len();
        let not_mappable = DmaError::NotMappable { size_bytes };
        let end = start.checked_add(size_bytes).ok_or(not_mappable)?;
        if size_bytes > 0 && frames::is_memory(start..end) {
            Ok(DmaAddr::new(start as u64))
        } else {
            Err(not_mappable)
        }
    }

    unsafe fn unmap(&self, _buffer: NonNull<[u8]>, _device: DmaAddr, _direction: Direction) {}
}
