//! A program's own buffer, lent to a device: [`Mapped`].

use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use crate::address::DmaAddr;
use crate::dma::{Direction, Dma, DmaError};

/// A buffer whose bytes stay at one place while the owner moves.
///
/// # Safety
///
/// `bytes` returns the same, exclusively owned, initialised memory on every call until the buffer is otherwise used or dropped,
/// also after the buffer value was moved.
pub unsafe trait StableBuffer {
    /// Returns the place of the bytes.
    fn bytes(&mut self) -> NonNull<[u8]>;
}

// SAFETY: an exclusive reference points to initialised memory of its own for all time; moving it moves only the pointer.
unsafe impl StableBuffer for &'static mut [u8] {
    fn bytes(&mut self) -> NonNull<[u8]> {
        NonNull::from(&mut **self)
    }
}

#[cfg(feature = "alloc")]
// SAFETY: the bytes live on the heap and belong to the box, wherever that is moved.
unsafe impl StableBuffer for alloc::boxed::Box<[u8]> {
    fn bytes(&mut self) -> NonNull<[u8]> {
        NonNull::from(&mut **self)
    }
}

#[cfg(feature = "alloc")]
// SAFETY: the first `len` bytes live on the heap, are initialised, belong to the vector, and move only if it is changed.
unsafe impl StableBuffer for alloc::vec::Vec<u8> {
    fn bytes(&mut self) -> NonNull<[u8]> {
        NonNull::from(self.as_mut_slice())
    }
}

/// A buffer that a device can reach until [`Mapped::into_inner`] or drop unmaps it.
///
/// INVARIANT: `place` is what `buffer.bytes()` returned, mapped at `device` by `dma` in `direction`.
pub struct Mapped<B: StableBuffer, D: Dma> {
    buffer: ManuallyDrop<B>,
    place: NonNull<[u8]>,
    device: DmaAddr,
    direction: Direction,
    dma: D,
}

// SAFETY: `place` points into `buffer`, which is owned; both go along.
unsafe impl<B: StableBuffer + Send, D: Dma + Send> Send for Mapped<B, D> {}
// SAFETY: a shared `Mapped` gives shared access to the bytes only.
unsafe impl<B: StableBuffer + Sync, D: Dma + Sync> Sync for Mapped<B, D> {}

impl<B: StableBuffer, D: Dma> Mapped<B, D> {
    /// Maps `buffer` for a device.
    ///
    /// # Errors
    ///
    /// What [`Dma::map`] says, with the buffer; [`DmaError::InvalidLayout`] for an empty one.
    pub fn new(dma: &D, mut buffer: B, direction: Direction) -> Result<Self, (DmaError, B)> {
        let place = buffer.bytes();
        if place.is_empty() {
            return Err((
                DmaError::InvalidLayout {
                    size_bytes: 0,
                    align_bytes: 1,
                },
                buffer,
            ));
        }
        // SAFETY: the bytes are valid and stay in place (`StableBuffer`) until `unmap`, which drop does before the buffer goes.
        match unsafe { dma.map(place, direction) } {
            Ok(device) => Ok(Self {
                buffer: ManuallyDrop::new(buffer),
                place,
                device,
                direction,
                dma: dma.clone(),
            }),
            Err(error) => Err((error, buffer)),
        }
    }

    /// Unmaps the buffer and returns it.
    #[must_use]
    pub fn into_inner(self) -> B {
        let mut this = ManuallyDrop::new(self);
        this.unmap();
        // SAFETY: `this` is never dropped, so the buffer is taken out once.
        let buffer = unsafe { ManuallyDrop::take(&mut this.buffer) };
        let dma: *mut D = &raw mut this.dma;
        // SAFETY: `this` is never dropped and not used any more, so its `dma` is dropped once, here.
        unsafe { dma.drop_in_place() };
        buffer
    }

    /// Returns where the device finds the first byte.
    #[must_use]
    pub const fn device_addr(&self) -> DmaAddr {
        self.device
    }

    /// Returns which way data goes.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Returns the length in bytes.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.place.len()
    }

    /// Returns the bytes, as the CPU sees them since the last [`sync_for_cpu`](Self::sync_for_cpu).
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `place` is the initialised memory of `buffer`, which this owns and lends for as long as the reference lives.
        unsafe { self.place.as_ref() }
    }

    /// Returns the bytes to change; the device sees them after [`sync_for_device`](Self::sync_for_device).
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: `place` is the initialised memory of `buffer`, which this owns and lends exclusively for as long as the reference lives.
        unsafe { self.place.as_mut() }
    }

    /// Hands the bytes to the device.
    pub fn sync_for_device(&mut self) {
        // SAFETY: the mapping exists until drop; `&mut self` says that no virtqueue has given it to a device.
        unsafe {
            self.dma
                .sync_for_device(self.place, self.device, self.direction)
        }
    }

    /// Takes the bytes back from the device.
    pub fn sync_for_cpu(&mut self) {
        // SAFETY: the mapping exists until drop; `&mut self` says that no virtqueue has given it to a device.
        unsafe {
            self.dma
                .sync_for_cpu(self.place, self.device, self.direction)
        }
    }

    fn unmap(&mut self) {
        // SAFETY: `new` mapped it; `drop` and `into_inner`, of which one runs, once, unmap it;
        // no device uses it, for a virtqueue would own it then.
        unsafe { self.dma.unmap(self.place, self.device, self.direction) }
    }
}

impl<B: StableBuffer, D: Dma> Drop for Mapped<B, D> {
    fn drop(&mut self) {
        self.unmap();
        // SAFETY: drop runs once, `into_inner` prevents it, and nothing uses the buffer afterwards.
        unsafe { ManuallyDrop::drop(&mut self.buffer) }
    }
}

impl<B: StableBuffer, D: Dma> fmt::Debug for Mapped<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Mapped({} bytes at {}, {:?})",
            self.place.len(),
            self.device,
            self.direction
        )
    }
}
