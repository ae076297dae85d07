//! The memory of the rings, accessed as memory is that a device reads and writes at any time: [`RingMemory`].

use core::mem::{ManuallyDrop, size_of};
use core::ptr::NonNull;

use levitate_hal::{Dma, DmaAddr, DmaError, DmaRegion};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::queue::layout::{Block, DESCRIPTOR_TABLE_ALIGN};

/// Memory for one [`Block`], leaked unless [`into_region`](Self::into_region) is called.
///
/// INVARIANT: `region` is at least as long as the block it was made for, and 16-aligned.
#[derive(Debug)]
pub(super) struct RingMemory<D: Dma> {
    region: ManuallyDrop<DmaRegion<D>>,
}

impl<D: Dma> RingMemory<D> {
    /// Allocates zeroed memory for `block`, aligned to `align_bytes` and to a descriptor table.
    pub(super) fn new(dma: &D, block: &Block, align_bytes: usize) -> Result<Self, DmaError> {
        let align_bytes = align_bytes.max(DESCRIPTOR_TABLE_ALIGN);
        let region = ManuallyDrop::new(DmaRegion::new(dma, block.len_bytes, align_bytes)?);
        Ok(Self { region })
    }

    /// Returns where the device finds the block.
    pub(super) fn device_addr(&self) -> DmaAddr {
        self.region.device_addr()
    }

    /// Returns the memory; the caller knows that the device cannot reach it any more.
    pub(super) fn into_region(self) -> DmaRegion<D> {
        ManuallyDrop::into_inner(self.region)
    }

    /// Reads the field or entry at `offset`, which is one of the block's.
    pub(super) fn load<T: FromBytes + IntoBytes>(&self, offset: usize) -> T {
        // SAFETY: the place is inside the region (`place`) and aligned for `T`: 16-byte base, aligned parts, whole entries;
        // every bit pattern is a `T`. Volatile: the device writes it.
        unsafe { self.place::<T>(offset).read_volatile() }
    }

    /// Writes the field or entry at `offset`, which is one of the block's.
    pub(super) fn store<T: IntoBytes + Immutable>(&self, offset: usize, value: T) {
        // SAFETY: the place is inside the region (`place`) and aligned for `T`: 16-byte base, aligned parts, whole entries.
        // Volatile: the device reads it.
        unsafe { self.place::<T>(offset).write_volatile(value) }
    }

    /// Returns where the CPU finds the `T` at `offset`; `SplitRing` computes it from the block, so that it is inside.
    fn place<T>(&self, offset: usize) -> NonNull<T> {
        debug_assert!(offset.saturating_add(size_of::<T>()) <= self.region.len_bytes());
        // SAFETY: `offset` is that of a ring entry or field, below the block's length, so inside the region's allocation.
        unsafe { self.region.as_ptr().add(offset) }.cast()
    }
}
