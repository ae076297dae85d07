//! What the crates ask of a platform: [`Process`], memory, and [`Ticks`], a clock.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;

use levitate_hal::{Clock, Direction, Dma, DmaAddr, DmaAllocation, DmaError, Instant};

use crate::memory::{self, PAGE_BYTES};

/// This process: a device's addresses are pointers, and what it shares with a device is never freed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process;

// SAFETY: `allocate` returns zeroed pages that nothing else has, that are never freed, and that have one address; so has
// whatever is mapped. No layout of a queue or a request is as large as the memory, so that no method panics.
unsafe impl Dma for Process {
    fn allocate(&self, layout: Layout) -> Result<DmaAllocation, DmaError> {
        if layout.size() == 0 || layout.align() > PAGE_BYTES {
            return Err(DmaError::InvalidLayout {
                size_bytes: layout.size(),
                align_bytes: layout.align(),
            });
        }
        let cpu = memory::pages(layout.size());
        let device = DmaAddr::new(cpu.as_ptr().expose_provenance() as u64);
        Ok(DmaAllocation { cpu, device })
    }

    unsafe fn release(&self, _allocation: DmaAllocation, _layout: Layout) {}

    unsafe fn map(
        &self,
        buffer: NonNull<[u8]>,
        _direction: Direction,
    ) -> Result<DmaAddr, DmaError> {
        let address = buffer.as_ptr().cast::<u8>().expose_provenance();
        Ok(DmaAddr::new(address as u64))
    }

    unsafe fn unmap(&self, _buffer: NonNull<[u8]>, _device: DmaAddr, _direction: Direction) {}
}

/// A clock that goes on by a microsecond whenever it is looked at: the device is never late.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticks(Rc<Cell<u64>>);

impl Clock for Ticks {
    fn now(&self) -> Instant {
        self.0.set(self.0.get() + 1000);
        Instant::from_nanos(self.0.get())
    }
}
