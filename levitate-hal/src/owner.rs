//! Typed owners of coherent memory: [`DmaBox`] and [`DmaSlice`].
//!
//! Unlike a [`DmaRegion`] they give out references, so they are for memory that changes hands:
//! the CPU's while the program holds the owner, the device's while a virtqueue holds it.

use core::fmt;
use core::marker::PhantomData;
use core::mem::{align_of, size_of};
use core::ops::{Deref, DerefMut};

use zerocopy::{FromBytes, IntoBytes};

use crate::address::DmaAddr;
use crate::dma::{Dma, DmaError};
use crate::region::DmaRegion;

/// One zeroed `T` in memory a device can reach.
pub struct DmaBox<T, D: Dma> {
    slice: DmaSlice<T, D>,
}

impl<T: FromBytes + IntoBytes, D: Dma> DmaBox<T, D> {
    /// Allocates a zeroed `T`, aligned as its type asks.
    ///
    /// # Errors
    ///
    /// As [`DmaRegion::new`].
    pub fn new_zeroed(dma: &D) -> Result<Self, DmaError> {
        Ok(Self {
            slice: DmaSlice::new_zeroed(dma, 1)?,
        })
    }

    /// Returns where the device finds it.
    #[must_use]
    pub const fn device_addr(&self) -> DmaAddr {
        self.slice.device_addr()
    }
}

impl<T: FromBytes + IntoBytes, D: Dma> Deref for DmaBox<T, D> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the region holds one initialised `T` (zeroed at first, `T: FromBytes`), aligned for it, and is this owner's alone.
        unsafe { self.slice.region.as_ptr().cast::<T>().as_ref() }
    }
}

impl<T: FromBytes + IntoBytes, D: Dma> DerefMut for DmaBox<T, D> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the region holds one initialised `T` (zeroed at first, `T: FromBytes`), aligned for it, and is this owner's alone.
        unsafe { self.slice.region.as_ptr().cast::<T>().as_mut() }
    }
}

impl<T, D: Dma> fmt::Debug for DmaBox<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DmaBox({})", self.slice.region.device_addr())
    }
}

/// Zeroed `T`s, one after the other, in memory a device can reach.
///
/// INVARIANT: `region` is `len * size_of::<T>()` bytes long and aligned for `T`.
pub struct DmaSlice<T, D: Dma> {
    region: DmaRegion<D>,
    len: usize,
    elements: PhantomData<T>,
}

impl<T: FromBytes + IntoBytes, D: Dma> DmaSlice<T, D> {
    /// Allocates `len` zeroed elements, aligned as their type asks.
    ///
    /// # Errors
    ///
    /// As [`DmaRegion::new`].
    pub fn new_zeroed(dma: &D, len: usize) -> Result<Self, DmaError> {
        Self::new_zeroed_aligned(dma, len, align_of::<T>())
    }

    /// Allocates `len` zeroed elements, the first aligned to `align_bytes` or to what their type asks, whichever is more.
    ///
    /// # Errors
    ///
    /// As [`DmaRegion::new`].
    pub fn new_zeroed_aligned(dma: &D, len: usize, align_bytes: usize) -> Result<Self, DmaError> {
        let align_bytes = align_bytes.max(align_of::<T>());
        let size_bytes = len
            .checked_mul(size_of::<T>())
            .ok_or(DmaError::InvalidLayout {
                size_bytes: usize::MAX,
                align_bytes,
            })?;
        Ok(Self {
            region: DmaRegion::new(dma, size_bytes, align_bytes)?,
            len,
            elements: PhantomData,
        })
    }
}

impl<T, D: Dma> DmaSlice<T, D> {
    /// Returns where the device finds the first element.
    #[must_use]
    pub const fn device_addr(&self) -> DmaAddr {
        self.region.device_addr()
    }

    /// Returns the memory; all of it is initialised.
    pub(crate) fn into_region(self) -> DmaRegion<D> {
        self.region
    }

    /// Returns the length of all elements in bytes.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.region.len_bytes()
    }
}

impl<T: FromBytes + IntoBytes, D: Dma> Deref for DmaSlice<T, D> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let elements =
            core::ptr::NonNull::slice_from_raw_parts(self.region.as_ptr().cast::<T>(), self.len);
        // SAFETY: the region holds `len` initialised `T`s (zeroed at first, `T: FromBytes`), aligned for them, and is this owner's alone.
        unsafe { elements.as_ref() }
    }
}

impl<T: FromBytes + IntoBytes, D: Dma> DerefMut for DmaSlice<T, D> {
    fn deref_mut(&mut self) -> &mut [T] {
        let mut elements =
            core::ptr::NonNull::slice_from_raw_parts(self.region.as_ptr().cast::<T>(), self.len);
        // SAFETY: the region holds `len` initialised `T`s (zeroed at first, `T: FromBytes`), aligned for them, and is this owner's alone.
        unsafe { elements.as_mut() }
    }
}

impl<T, D: Dma> fmt::Debug for DmaSlice<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "DmaSlice({} x {} bytes at {})",
            self.len,
            size_of::<T>(),
            self.region.device_addr()
        )
    }
}
