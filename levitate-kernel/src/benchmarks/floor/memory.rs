//! Memory for a device that nobody takes care of: [`Memory`].

use core::alloc::Layout;
use core::ptr::NonNull;

use levitate_hal::{Dma as _, DmaAddr, DmaAllocation};
use levitate_virtio::queue::layout::LEGACY_ALIGN;
use zerocopy::{FromBytes, IntoBytes};

use crate::benchmarks::Result;
use crate::platform::KernelDma;

/// Zeroed memory that the device knows; leaked, unless it is given back.
///
/// INVARIANT: `allocation` came from `KernelDma.allocate(layout)`, and was not given back.
pub(super) struct Memory {
    allocation: DmaAllocation,
    layout: Layout,
}

impl Memory {
    pub(super) fn new(bytes: usize) -> Result<Self> {
        let layout = Layout::from_size_align(bytes, LEGACY_ALIGN)?;
        let allocation = KernelDma.allocate(layout)?;
        Ok(Self { allocation, layout })
    }

    /// Returns where the device finds what is at `offset`.
    pub(super) fn device_addr(&self, offset: usize) -> DmaAddr {
        DmaAddr::new(self.allocation.device.get() + offset as u64)
    }

    /// Returns where the CPU finds the `T` at `offset`.
    fn place<T>(&self, offset: usize) -> NonNull<T> {
        debug_assert!(offset + size_of::<T>() <= self.layout.size());
        // SAFETY: the caller asks for nothing behind the end: rings are as long as their size says, requests and commands as there
        // are in a batch or a frame.
        unsafe { self.allocation.cpu.add(offset) }.cast()
    }

    pub(super) fn store<T: IntoBytes>(&self, offset: usize, value: T) {
        // SAFETY: the place is inside the memory and aligned, as all offsets of rings and requests are. Volatile: the device reads it.
        unsafe { self.place::<T>(offset).write_volatile(value) }
    }

    pub(super) fn load<T: FromBytes>(&self, offset: usize) -> T {
        // SAFETY: the place is inside the memory and aligned, as all offsets of rings and requests are. Volatile: the device writes it.
        unsafe { self.place::<T>(offset).read_volatile() }
    }

    /// Gives the memory back.
    ///
    /// # Safety
    ///
    /// The device does not reach it any more.
    pub(super) unsafe fn release(self) {
        // SAFETY: from `allocate(layout)` and given back once, for it is moved here (invariant); unused by the device, says the caller.
        unsafe { KernelDma.release(self.allocation, self.layout) }
    }
}
