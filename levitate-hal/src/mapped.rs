//! A program's own buffer, lent to a device: [`Mapped`].

use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};

use crate::address::DmaAddr;
use crate::dma::{Direction, Dma, DmaError, MAX_DMA_BYTES};

/// A buffer that can be taken apart into the place of its bytes and the rest of it, and put together again.
///
/// # Safety
///
/// The bytes `into_raw` names are initialised, exclusively owned memory that stays valid, at its place, until `from_raw`.
pub unsafe trait StableBuffer: Sized {
    /// What `from_raw` needs besides the bytes.
    type Rest;

    /// Takes the buffer apart.
    fn into_raw(self) -> (NonNull<[u8]>, Self::Rest);

    /// Puts the buffer together again.
    ///
    /// # Safety
    ///
    /// Both arguments came from one `into_raw`, and are used once; nothing else uses the bytes any more.
    unsafe fn from_raw(bytes: NonNull<[u8]>, rest: Self::Rest) -> Self;
}

// SAFETY: an exclusive reference points to initialised memory of its own for all time.
unsafe impl StableBuffer for &'static mut [u8] {
    type Rest = ();

    fn into_raw(self) -> (NonNull<[u8]>, ()) {
        (NonNull::from(self), ())
    }

    unsafe fn from_raw(mut bytes: NonNull<[u8]>, (): ()) -> Self {
        // SAFETY: the caller has the bytes from `into_raw`, so they are initialised and valid for ever, and nobody else's.
        unsafe { bytes.as_mut() }
    }
}

#[cfg(feature = "alloc")]
// SAFETY: the bytes of a box live on the heap and are nobody else's until the box is put together again.
unsafe impl StableBuffer for alloc::boxed::Box<[u8]> {
    type Rest = ();

    fn into_raw(self) -> (NonNull<[u8]>, ()) {
        (NonNull::from(Self::leak(self)), ())
    }

    unsafe fn from_raw(bytes: NonNull<[u8]>, (): ()) -> Self {
        // SAFETY: the caller has the bytes from `into_raw`, which leaked a box, and uses them once.
        unsafe { Self::from_raw(bytes.as_ptr()) }
    }
}

/// Most room beyond its bytes that a vector keeps when it is mapped; with more, it gives all of it back to the heap.
#[cfg(feature = "alloc")]
pub(crate) const MAX_SPARE_BYTES: usize = (1 << 28) - 1;

#[cfg(feature = "alloc")]
// SAFETY: the first `len` bytes of a vector live on the heap, are initialised, and are nobody else's until it is put together again.
unsafe impl StableBuffer for alloc::vec::Vec<u8> {
    /// The capacity.
    type Rest = usize;

    fn into_raw(self) -> (NonNull<[u8]>, usize) {
        let kept = match self.capacity().wrapping_sub(self.len()) > MAX_SPARE_BYTES {
            true => self.into_boxed_slice().into_vec(),
            false => self,
        };
        let mut this = ManuallyDrop::new(kept);
        let first = NonNull::from(&mut **this).cast();
        // `as_mut_ptr` is never null, and also good for the spare capacity; the pointer to the slice is for its bytes alone.
        let own = NonNull::new(this.as_mut_ptr()).unwrap_or(first);
        let bytes = NonNull::slice_from_raw_parts(own, this.len());
        (bytes, this.capacity())
    }

    unsafe fn from_raw(bytes: NonNull<[u8]>, capacity: usize) -> Self {
        // SAFETY: the caller has all of it from `into_raw`, which took a vector apart, and uses it once.
        unsafe { Self::from_raw_parts(bytes.cast().as_ptr(), bytes.len(), capacity) }
    }
}

/// A buffer that a device can reach until [`Mapped::into_inner`] or drop unmaps it.
///
/// A vector with 256 MiB or more to spare comes back without.
pub struct Mapped<B: StableBuffer, D: Dma> {
    // Dropped first: the buffer is unmapped before it is used otherwise.
    mapping: Mapping<D>,
    raw: Raw<B>,
}

/// The device's side of a mapped buffer; unmaps it on drop.
///
/// INVARIANT: `place` is mapped at `device` by `dma` in `direction`, valid while this lives, and no longer than `MAX_DMA_BYTES`.
struct Mapping<D: Dma> {
    place: NonNull<[u8]>,
    device: DmaAddr,
    direction: Direction,
    dma: D,
}

/// A buffer taken apart; put together again and dropped on drop.
///
/// INVARIANT: `place` and `rest` are what one `B::into_raw` returned.
struct Raw<B: StableBuffer> {
    place: NonNull<[u8]>,
    rest: ManuallyDrop<B::Rest>,
}

/// A mapped buffer taken apart, still mapped.
pub(crate) struct MappedParts<R, D> {
    pub(crate) place: NonNull<[u8]>,
    pub(crate) rest: R,
    pub(crate) device: DmaAddr,
    pub(crate) direction: Direction,
    pub(crate) dma: D,
}

// SAFETY: the pointers are to bytes that are owned, as by `B`, which may go to another thread; `D` goes along.
unsafe impl<B: StableBuffer + Send, D: Dma + Send> Send for Mapped<B, D> {}
// SAFETY: a shared `Mapped` gives shared access to the bytes only; `D` is shared along.
unsafe impl<B: StableBuffer + Sync, D: Dma + Sync> Sync for Mapped<B, D> {}

impl<B: StableBuffer> Raw<B> {
    fn new(buffer: B) -> Self {
        let (place, rest) = buffer.into_raw();
        Self {
            place,
            rest: ManuallyDrop::new(rest),
        }
    }

    fn into_inner(self) -> B {
        ManuallyDrop::new(self).put_together()
    }

    /// Called once, last of all: by drop, or by `into_inner`, which keeps drop from running.
    fn put_together(&mut self) -> B {
        // SAFETY: this is called once, so the rest is taken once.
        let rest = unsafe { ManuallyDrop::take(&mut self.rest) };
        // SAFETY: both come from one `into_raw` (invariant) and are used once; a mapping of the bytes has ended before.
        unsafe { B::from_raw(self.place, rest) }
    }
}

impl<B: StableBuffer> Drop for Raw<B> {
    fn drop(&mut self) {
        drop(self.put_together());
    }
}

impl<D: Dma> Drop for Mapping<D> {
    fn drop(&mut self) {
        // SAFETY: it is mapped (invariant) and unmapped once, here; no device uses it, for a virtqueue would own it then.
        unsafe { self.dma.unmap(self.place, self.device, self.direction) }
    }
}

impl<B: StableBuffer, D: Dma> Mapped<B, D> {
    /// Maps `buffer` for a device.
    ///
    /// # Errors
    ///
    /// What [`Dma::map`] says, with the buffer; [`DmaError::InvalidLayout`] for an empty one, and one of 4 GiB or more.
    pub fn new(dma: &D, buffer: B, direction: Direction) -> Result<Self, (DmaError, B)> {
        let raw = Raw::new(buffer);
        let place = raw.place;
        if place.is_empty() || place.len() > MAX_DMA_BYTES {
            let error = DmaError::InvalidLayout {
                size_bytes: place.len(),
                align_bytes: 1,
            };
            return Err((error, raw.into_inner()));
        }
        // SAFETY: the bytes are valid and stay in place (`StableBuffer`) until `raw` is put together, before which `mapping` ends.
        match unsafe { dma.map(place, direction) } {
            Ok(device) => {
                let mapping = Mapping {
                    place,
                    device,
                    direction,
                    dma: dma.clone(),
                };
                Ok(Self { mapping, raw })
            }
            Err(error) => Err((error, raw.into_inner())),
        }
    }

    /// Unmaps the buffer and returns it.
    #[must_use]
    pub fn into_inner(self) -> B {
        drop(self.mapping);
        self.raw.into_inner()
    }

    /// Takes it apart, to be put together by [`from_parts`](Self::from_parts).
    pub(crate) fn into_parts(self) -> MappedParts<B::Rest, D> {
        let mapping = ManuallyDrop::new(self.mapping);
        let mut raw = ManuallyDrop::new(self.raw);
        // SAFETY: the mapping is not dropped, nor used any more, so that the instance is owned once, by the parts.
        let dma = unsafe { ptr::read(&raw const mapping.dma) };
        // SAFETY: the rest is taken once: `raw` is not dropped, nor used any more.
        let rest = unsafe { ManuallyDrop::take(&mut raw.rest) };
        MappedParts {
            place: mapping.place,
            rest,
            device: mapping.device,
            direction: mapping.direction,
            dma,
        }
    }

    /// Puts it together again.
    ///
    /// # Safety
    ///
    /// The parts came from one `into_parts` of the same type, and are used once.
    pub(crate) unsafe fn from_parts(parts: MappedParts<B::Rest, D>) -> Self {
        Self {
            mapping: Mapping {
                place: parts.place,
                device: parts.device,
                direction: parts.direction,
                dma: parts.dma,
            },
            raw: Raw {
                place: parts.place,
                rest: ManuallyDrop::new(parts.rest),
            },
        }
    }

    /// Returns where the device finds the first byte.
    #[must_use]
    pub const fn device_addr(&self) -> DmaAddr {
        self.mapping.device
    }

    /// Returns which way data goes.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.mapping.direction
    }

    /// Returns the length in bytes.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.mapping.place.len()
    }

    /// Returns the bytes, as the CPU sees them since the last [`sync_for_cpu`](Self::sync_for_cpu).
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `place` is initialised memory, which this owns and lends for as long as the reference lives.
        unsafe { self.mapping.place.as_ref() }
    }

    /// Returns the bytes to change; the device sees them after [`sync_for_device`](Self::sync_for_device).
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: `place` is initialised memory, which this owns and lends exclusively for as long as the reference lives.
        unsafe { self.mapping.place.as_mut() }
    }

    /// Hands the bytes to the device.
    pub fn sync_for_device(&mut self) {
        // SAFETY: the mapping exists until drop; `&mut self` says that no virtqueue has given it to a device.
        unsafe {
            self.mapping.dma.sync_for_device(
                self.mapping.place,
                self.mapping.device,
                self.mapping.direction,
            )
        }
    }

    /// Takes the bytes back from the device.
    pub fn sync_for_cpu(&mut self) {
        // SAFETY: the mapping exists until drop; `&mut self` says that no virtqueue has given it to a device.
        unsafe {
            self.mapping.dma.sync_for_cpu(
                self.mapping.place,
                self.mapping.device,
                self.mapping.direction,
            )
        }
    }
}

impl<B: StableBuffer, D: Dma> fmt::Debug for Mapped<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Mapped({} bytes at {}, {:?})",
            self.mapping.place.len(),
            self.mapping.device,
            self.mapping.direction
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::DmaAllocation;
    use core::alloc::Layout;

    /// A platform that maps everything, at one address.
    #[derive(Clone)]
    struct Anywhere;

    // SAFETY: no device is told of any address.
    unsafe impl Dma for Anywhere {
        fn allocate(&self, layout: Layout) -> Result<DmaAllocation, DmaError> {
            Err(DmaError::OutOfMemory {
                size_bytes: layout.size(),
                align_bytes: layout.align(),
            })
        }

        unsafe fn release(&self, _: DmaAllocation, _: Layout) {}

        unsafe fn map(&self, _: NonNull<[u8]>, _: Direction) -> Result<DmaAddr, DmaError> {
            Ok(DmaAddr::new(0))
        }

        unsafe fn unmap(&self, _: NonNull<[u8]>, _: DmaAddr, _: Direction) {}
    }

    /// A buffer of which nothing is there but its length.
    #[derive(Debug)]
    struct Claimed(usize);

    // SAFETY: nobody looks at the bytes.
    unsafe impl StableBuffer for Claimed {
        type Rest = ();

        fn into_raw(self) -> (NonNull<[u8]>, ()) {
            let bytes = NonNull::slice_from_raw_parts(NonNull::dangling(), self.0);
            (bytes, ())
        }

        unsafe fn from_raw(bytes: NonNull<[u8]>, (): ()) -> Self {
            Self(bytes.len())
        }
    }

    #[test]
    fn a_buffer_whose_length_no_device_can_be_told_comes_back() {
        for (len_bytes, is_mapped) in [(0, false), (1, true), (MAX_DMA_BYTES, true)] {
            let mapped = Mapped::new(&Anywhere, Claimed(len_bytes), Direction::Both);
            assert_eq!(mapped.is_ok(), is_mapped, "{len_bytes}");
        }
        let too_long = MAX_DMA_BYTES + 1;
        let refused = Mapped::new(&Anywhere, Claimed(too_long), Direction::Both);
        let (error, buffer) = refused.unwrap_err();
        assert_eq!(buffer.0, too_long);
        let expected = DmaError::InvalidLayout {
            size_bytes: too_long,
            align_bytes: 1,
        };
        assert_eq!(error, expected);
    }
}
