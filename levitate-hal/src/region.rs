//! Raw memory shared with a device: [`DmaRegion`].

use core::alloc::Layout;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};

use thiserror::Error;
use zerocopy::{FromBytes, Immutable, IntoBytes, transmute};

use crate::address::DmaAddr;
use crate::dma::{Dma, DmaAllocation, DmaError, MAX_DMA_BYTES};

/// A part that does not lie inside its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{len_bytes} bytes at offset {offset} are not inside a region of {region_bytes} bytes")]
pub struct OutOfRange {
    /// Where the part begins, in bytes from the start of the region.
    pub offset: usize,
    /// Length of the part.
    pub len_bytes: usize,
    /// Length of the region.
    pub region_bytes: usize,
}

/// What is aligned is copied this much at a time.
const WORD_BYTES: usize = size_of::<u64>();

/// Zeroed memory shared with a device, given back on drop.
///
/// The device may write to it at any time, so it is read and written by volatile copies only, never through a reference.
/// Dropping it while a device can still reach it is what its owner must rule out: `levitate_virtio` hands addresses of
/// regions to devices only from places that keep the region until the device is reset.
///
/// INVARIANT: `allocation` came from `dma.allocate(layout)` and is this region's alone; it has no more than `MAX_DMA_BYTES`.
#[derive(Debug)]
pub struct DmaRegion<D: Dma> {
    allocation: DmaAllocation,
    layout: Layout,
    dma: D,
}

// SAFETY: the region owns its memory as a `Box` does; the pointer in it is not shared, and `D` goes along.
unsafe impl<D: Dma + Send> Send for DmaRegion<D> {}

impl<D: Dma> DmaRegion<D> {
    /// Allocates `size_bytes` zeroed bytes, aligned to `align_bytes`, a power of two.
    ///
    /// # Errors
    ///
    /// [`DmaError::InvalidLayout`] for no bytes, 4 GiB or more, or an alignment that is no power of two, else what the pool says.
    pub fn new(dma: &D, size_bytes: usize, align_bytes: usize) -> Result<Self, DmaError> {
        let invalid = DmaError::InvalidLayout {
            size_bytes,
            align_bytes,
        };
        let layout = Layout::from_size_align(size_bytes, align_bytes).map_err(|_| invalid)?;
        if size_bytes == 0 || size_bytes > MAX_DMA_BYTES {
            return Err(invalid);
        }
        let allocation = dma.allocate(layout)?;
        Ok(Self {
            allocation,
            layout,
            dma: dma.clone(),
        })
    }

    /// Takes the region apart, to be put together by [`from_parts`](Self::from_parts).
    pub(crate) fn into_parts(self) -> (DmaAllocation, Layout, D) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the region is not dropped, nor used any more, so that the instance is owned once, by the caller.
        let dma = unsafe { ptr::read(&raw const this.dma) };
        (this.allocation, this.layout, dma)
    }

    /// Puts the region together again.
    ///
    /// # Safety
    ///
    /// The arguments came from one `into_parts`, and are used once.
    pub(crate) const unsafe fn from_parts(
        allocation: DmaAllocation,
        layout: Layout,
        dma: D,
    ) -> Self {
        Self {
            allocation,
            layout,
            dma,
        }
    }

    /// Returns the length in bytes.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.layout.size()
    }

    /// Returns where the device finds the first byte.
    #[must_use]
    pub const fn device_addr(&self) -> DmaAddr {
        self.allocation.device
    }

    /// Returns where the CPU finds the first byte; valid for volatile access to [`len_bytes`](Self::len_bytes) bytes while the region lives.
    #[must_use]
    pub const fn as_ptr(&self) -> NonNull<u8> {
        self.allocation.cpu
    }

    /// Returns where the device finds the byte at `offset`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if the region has no such byte.
    pub fn device_addr_at(&self, offset: usize) -> Result<DmaAddr, OutOfRange> {
        self.check(offset, 1)?;
        // A region does not wrap round the device's address space (`Dma::allocate`), so the sum exists.
        self.device_addr()
            .checked_add(offset as u64)
            .ok_or_else(|| self.out_of_range(offset, 1))
    }

    /// Copies `value` to `offset`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`]; nothing was written.
    pub fn write<T: IntoBytes + Immutable>(
        &self,
        offset: usize,
        value: &T,
    ) -> Result<(), OutOfRange> {
        let bytes = value.as_bytes();
        self.check(offset, bytes.len())?;
        let (words, rest) = match self.is_word(offset) {
            true => bytes.as_chunks::<WORD_BYTES>(),
            false => (&[][..], bytes),
        };
        for (index, word) in words.iter().enumerate() {
            let offset = offset.wrapping_add(index.wrapping_mul(WORD_BYTES));
            // SAFETY: the word at `offset` ends below `layout.size()`, checked above; the memory is this region's.
            let target = unsafe { self.allocation.cpu.add(offset) }.cast::<u64>();
            // SAFETY: `target` is valid for a write of a word, as above, and aligned, as all words from an aligned one on;
            // volatile, for the device may look at any time.
            unsafe { target.write_volatile(transmute!(*word)) };
        }
        let offset = offset.wrapping_add(bytes.len().wrapping_sub(rest.len()));
        for (index, byte) in rest.iter().enumerate() {
            // SAFETY: `offset + index` is below `layout.size()`, checked above; the memory is this region's.
            let target = unsafe { self.allocation.cpu.add(offset.wrapping_add(index)) };
            // SAFETY: `target` is valid for a write of one byte, as above; volatile, for the device may look at any time.
            unsafe { target.write_volatile(*byte) };
        }
        Ok(())
    }

    /// Returns a copy of the value at `offset`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`].
    pub fn read<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T, OutOfRange> {
        let mut value = T::new_zeroed();
        self.read_into(offset, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Fills `bytes` with a copy of what is at `offset`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`]; `bytes` is unchanged.
    pub fn read_into(&self, offset: usize, bytes: &mut [u8]) -> Result<(), OutOfRange> {
        self.check(offset, bytes.len())?;
        let len_bytes = bytes.len();
        let (words, rest) = match self.is_word(offset) {
            true => bytes.as_chunks_mut::<WORD_BYTES>(),
            false => (&mut [][..], bytes),
        };
        for (index, word) in words.iter_mut().enumerate() {
            let offset = offset.wrapping_add(index.wrapping_mul(WORD_BYTES));
            // SAFETY: the word at `offset` ends below `layout.size()`, checked above; the memory is this region's.
            let source = unsafe { self.allocation.cpu.add(offset) }.cast::<u64>();
            // SAFETY: `source` is valid for a read of a word, as above, and aligned, as all words from an aligned one on;
            // volatile, for the device may write at any time.
            let read = unsafe { source.read_volatile() };
            *word = transmute!(read);
        }
        let offset = offset.wrapping_add(len_bytes.wrapping_sub(rest.len()));
        for (index, byte) in rest.iter_mut().enumerate() {
            // SAFETY: `offset + index` is below `layout.size()`, checked above; the memory is this region's.
            let source = unsafe { self.allocation.cpu.add(offset.wrapping_add(index)) };
            // SAFETY: `source` is valid for a read of one byte, as above; volatile, for the device may write at any time.
            *byte = unsafe { source.read_volatile() };
        }
        Ok(())
    }

    /// Says whether a word can be accessed at `offset`, as far as its alignment goes.
    fn is_word(&self, offset: usize) -> bool {
        let address = self.allocation.cpu.addr().get().wrapping_add(offset);
        address.is_multiple_of(WORD_BYTES)
    }

    fn check(&self, offset: usize, len_bytes: usize) -> Result<(), OutOfRange> {
        match offset.checked_add(len_bytes) {
            Some(end) if end <= self.layout.size() => Ok(()),
            _ => Err(self.out_of_range(offset, len_bytes)),
        }
    }

    fn out_of_range(&self, offset: usize, len_bytes: usize) -> OutOfRange {
        OutOfRange {
            offset,
            len_bytes,
            region_bytes: self.layout.size(),
        }
    }
}

impl<D: Dma> Drop for DmaRegion<D> {
    fn drop(&mut self) {
        // SAFETY: `Dma::release` asks that
        // - `allocation` and `layout` come from one `allocate` of `dma`: `new` did that, and `from_parts` has what `new` made;
        // - they are given back once: only this `drop` does it, and it runs once;
        // - no device can reach the memory: whoever gave its address to a device (in `levitate-virtio`, an unsafe
        //   `Transport::enable_queue`) undertook to keep the region until the device is reset.
        unsafe { self.dma.release(self.allocation, self.layout) }
    }
}
