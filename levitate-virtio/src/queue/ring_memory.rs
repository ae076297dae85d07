//! The memory of a ring, accessed as memory is that a device reads and writes at any time: [`RingMemory`], [`RingPart`].

use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use levitate_hal::{Dma, DmaAddr, DmaError, DmaRegion};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::layout::DESCRIPTOR_TABLE_ALIGN;
use super::ring::Plan;
#[cfg(test)]
use super::trace;
#[cfg(test)]
use std::vec::Vec;

/// Memory for one ring, leaked unless [`into_region`](Self::into_region) is called.
///
/// INVARIANT: `region` is at least as long as the plan it was made for, and 16-aligned.
#[derive(Debug)]
pub(super) struct RingMemory<D: Dma> {
    region: ManuallyDrop<DmaRegion<D>>,
}

impl<D: Dma> RingMemory<D> {
    /// Allocates zeroed memory for `plan`, aligned to `align_bytes` and to a descriptor.
    pub(super) fn new(dma: &D, plan: &impl Plan, align_bytes: usize) -> Result<Self, DmaError> {
        let align_bytes = align_bytes.max(DESCRIPTOR_TABLE_ALIGN);
        let region = ManuallyDrop::new(DmaRegion::new(dma, plan.len_bytes(), align_bytes)?);
        Ok(Self { region })
    }

    /// Returns where the device finds the byte at `offset`, which is inside the ring.
    pub(super) fn device_addr_at(&self, offset: usize) -> DmaAddr {
        // The ring lies inside the region, which does not wrap round the address space.
        let base = self.region.device_addr();
        base.checked_add(offset as u64).unwrap_or(base)
    }

    /// Returns the memory; the caller knows that the device cannot reach it any more.
    pub(super) fn into_region(self) -> DmaRegion<D> {
        ManuallyDrop::into_inner(self.region)
    }

    /// Returns the part that begins at `offset`, which is inside the ring; it is good for as long as the ring's memory.
    pub(super) fn part(&self, offset: usize) -> RingPart {
        debug_assert!(offset < self.region.len_bytes());
        // SAFETY: the ring computes it from its plan, so that it is inside the region.
        let start = unsafe { self.region.as_ptr().add(offset) };
        RingPart {
            start,
            #[cfg(debug_assertions)]
            len_bytes: self.region.len_bytes().saturating_sub(offset),
        }
    }
}

/// A part of a ring's memory, as the ring that owns the memory sees it.
///
/// INVARIANT: `start` is inside a [`RingMemory`], at the beginning of a part of its plan, and the ring that has both is not used once it
/// has given the memory back.
#[derive(Debug)]
pub(super) struct RingPart {
    start: NonNull<u8>,
    #[cfg(debug_assertions)]
    len_bytes: usize,
}

// SAFETY: it is a pointer into memory that its ring owns, and goes along with it.
unsafe impl Send for RingPart {}

impl RingPart {
    /// Reads the field at `offset`, which is one of the plan's; an integer is read at once.
    #[inline]
    pub(super) fn load<T: FromBytes + IntoBytes>(&self, offset: usize) -> T {
        #[cfg(test)]
        trace::load(self.place::<T>(offset).addr().get());
        // SAFETY: the place is inside the region (`place`) and aligned for `T`: 16-byte base, aligned parts, whole entries;
        // every bit pattern is a `T`. Volatile: the device writes it.
        unsafe { self.place::<T>(offset).read_volatile() }
    }

    /// Writes the field at `offset`, which is one of the plan's.
    #[inline]
    pub(super) fn store<T: IntoBytes + Immutable>(&self, offset: usize, value: T) {
        #[cfg(test)]
        self.note_store(offset, value.as_bytes());
        // SAFETY: the place is inside the region (`place`) and aligned for `T`: 16-byte base, aligned parts, whole entries.
        // Volatile: the device reads it.
        unsafe { self.place::<T>(offset).write_volatile(value) }
    }

    /// Has tests know of a store.
    #[cfg(test)]
    fn note_store(&self, offset: usize, after: &[u8]) {
        let byte = |index: usize| {
            let place = self.place::<u8>(offset.wrapping_add(index));
            // SAFETY: a byte of what is about to be written, which is inside the region.
            unsafe { place.read_volatile() }
        };
        let before: Vec<u8> = (0..after.len()).map(byte).collect();
        trace::store(self.place::<u8>(offset).addr().get(), &before, after);
    }

    /// Returns where the CPU finds the `T` at `offset`; the ring computes it from its plan, so that it is inside.
    #[inline]
    fn place<T>(&self, offset: usize) -> NonNull<T> {
        #[cfg(debug_assertions)]
        debug_assert!(offset.saturating_add(size_of::<T>()) <= self.len_bytes);
        // SAFETY: `offset` is that of a ring entry or field, below the plan's length, so inside the region's allocation.
        unsafe { self.start.add(offset) }.cast()
    }
}
