//! Memory a device can reach: the [`Dma`] trait a platform implements.

use core::alloc::Layout;
use core::ptr::NonNull;

use thiserror::Error;

use crate::address::DmaAddr;

/// Which way data goes through a mapped buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)] // A whole half of a word, for a mapped buffer is moved word by word.
pub enum Direction {
    /// The device reads what the CPU wrote.
    ToDevice,
    /// The CPU reads what the device wrote.
    FromDevice,
    /// Both of them write.
    Both,
}

/// Most bytes of one piece of memory: a device is told of lengths in 32 bits (§2.7.5, §2.8.5).
pub(crate) const MAX_DMA_BYTES: usize = u32::MAX as usize;

/// Memory shared with a device, under both its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaAllocation {
    /// Where the CPU finds the first byte.
    pub cpu: NonNull<u8>,
    /// Where the device finds the same byte.
    pub device: DmaAddr,
}

/// Why memory could not be shared with a device; nothing was allocated or mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DmaError {
    /// The pool has no such piece left.
    #[error("out of DMA memory: {size_bytes} bytes aligned to {align_bytes} are not available")]
    OutOfMemory {
        /// Bytes asked for.
        size_bytes: usize,
        /// Alignment asked for.
        align_bytes: usize,
    },
    /// Size and alignment do not describe an object that can exist, or one without bytes, or of 4 GiB or more.
    #[error("no DMA memory has a size of {size_bytes} bytes aligned to {align_bytes}")]
    InvalidLayout {
        /// Bytes asked for.
        size_bytes: usize,
        /// Alignment asked for.
        align_bytes: usize,
    },
    /// The device cannot reach the buffer where it lies, or not as one contiguous range.
    #[error("a buffer of {size_bytes} bytes cannot be mapped for the device")]
    NotMappable {
        /// Length of the buffer.
        size_bytes: usize,
    },
}

/// Memory that CPU and device share: an instance per pool, IOMMU domain or bounce area, cheap to clone.
///
/// Use it through its owners, [`DmaRegion`](crate::DmaRegion), [`DmaBox`](crate::DmaBox),
/// [`DmaSlice`](crate::DmaSlice) and [`Mapped`](crate::Mapped), which give everything back by themselves.
///
/// Its addresses are those the device must use: where an IOMMU translates for the device, it is the implementation that programs it.
///
/// # Safety
///
/// An implementation promises that
/// - [`allocate`](Self::allocate) returns `layout.size()` bytes at `cpu`, zeroed, aligned to `layout.align()` under *both*
///   addresses, that nothing else uses until they are released, and that stay valid when the instance and all its clones are gone;
/// - the `layout.size()` bytes from `device` on are those very bytes, seen by the device without cache maintenance (coherent);
/// - [`map`](Self::map) returns an address under which the device finds the buffer as one contiguous range
///   (after [`sync_for_device`](Self::sync_for_device), which `map` includes), and nothing beside it;
/// - no method panics.
pub unsafe trait Dma: Clone {
    /// Allocates zeroed coherent memory.
    ///
    /// # Errors
    ///
    /// [`DmaError::OutOfMemory`], and [`DmaError::InvalidLayout`] for a layout of no bytes.
    fn allocate(&self, layout: Layout) -> Result<DmaAllocation, DmaError>;

    /// Takes coherent memory back.
    ///
    /// # Safety
    ///
    /// `allocation` came from `allocate(layout)` of this instance or a clone of it, is released once,
    /// and is no longer used by the CPU or reachable for a device.
    unsafe fn release(&self, allocation: DmaAllocation, layout: Layout);

    /// Makes `buffer` reachable for the device until it is unmapped.
    ///
    /// # Errors
    ///
    /// [`DmaError::NotMappable`], or [`DmaError::OutOfMemory`] where a bounce buffer is needed and there is none.
    ///
    /// # Safety
    ///
    /// `buffer` is valid for reads and writes, and stays so, at this place, until `unmap`.
    unsafe fn map(&self, buffer: NonNull<[u8]>, direction: Direction) -> Result<DmaAddr, DmaError>;

    /// Ends what [`map`](Self::map) began; for [`Direction::FromDevice`] and [`Direction::Both`] the CPU then sees what the device wrote.
    ///
    /// # Safety
    ///
    /// `buffer` and `direction` were given to a `map` of this instance or a clone of it that returned `device`;
    /// it is unmapped once, and no device uses it any more.
    unsafe fn unmap(&self, buffer: NonNull<[u8]>, device: DmaAddr, direction: Direction);

    /// Makes what the CPU wrote to a mapped buffer visible to the device.
    ///
    /// # Safety
    ///
    /// `buffer`, `device` and `direction` belong to one mapping that has not ended, and no device uses it now.
    unsafe fn sync_for_device(&self, buffer: NonNull<[u8]>, device: DmaAddr, direction: Direction) {
        let _ = (buffer, device, direction);
    }

    /// Makes what the device wrote to a mapped buffer visible to the CPU.
    ///
    /// # Safety
    ///
    /// `buffer`, `device` and `direction` belong to one mapping that has not ended, and no device uses it now.
    unsafe fn sync_for_cpu(&self, buffer: NonNull<[u8]>, device: DmaAddr, direction: Direction) {
        let _ = (buffer, device, direction);
    }
}
