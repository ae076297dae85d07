//! What a request carries besides its header: [`DmaBuffer`], and [`Segments`] for a virtqueue.

use core::fmt;
use core::ops::Range;

use static_assertions::const_assert_eq;

use crate::address::DmaAddr;
use crate::dma::{Direction, Dma};
use crate::mapped::Mapped;
use crate::owner::DmaSlice;
use crate::region::OutOfRange;

mod memory;

use memory::{Memory, Owner};

/// A contiguous piece of memory as the device addresses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where the device finds the first byte.
    pub addr: DmaAddr,
    /// Length in bytes; not zero, or it is left out.
    pub len_bytes: usize,
}

/// Memory that a virtqueue can own while a device works on it.
///
/// # Safety
///
/// While the value exists, moved or not, and is not otherwise used,
/// - `segment` returns the same segments, from index 0 on and then `None`;
/// - the device may read and write each of them, and nobody else uses it.
pub unsafe trait Segments {
    /// Returns the segment at `index`, in the order the data has.
    fn segment(&self, index: usize) -> Option<Segment>;

    /// Returns which way the device may use the memory.
    fn direction(&self) -> Direction {
        Direction::Both
    }

    /// Called before the device gets the memory, and perhaps again: it changes no segment.
    fn sync_for_device(&mut self) {}

    /// Called when the device has given the memory back.
    fn sync_for_cpu(&mut self) {}
}

// SAFETY: no segment.
unsafe impl Segments for () {
    fn segment(&self, _index: usize) -> Option<Segment> {
        None
    }
}

// SAFETY: a coherent slice is one piece of memory of its own that does not move.
unsafe impl<T, D: Dma> Segments for DmaSlice<T, D> {
    fn segment(&self, index: usize) -> Option<Segment> {
        (index == 0).then(|| Segment {
            addr: self.device_addr(),
            len_bytes: self.len_bytes(),
        })
    }
}

/// Bytes for a device to read or write: coherent memory or a mapped buffer, and the part of it that a request is about.
///
/// Four words beside its `Dma`, on a machine of 64 bits, whatever kind of memory it is: a request hands it on several times, and so few
/// are moved without a call of `memcpy` on each target, also on one that may not access memory unaligned.
///
/// INVARIANT: the window lies inside `memory`.
#[repr(C)]
pub struct DmaBuffer<D: Dma> {
    window: Window,
    memory: Memory<D>,
}

/// A part of memory that has fewer bytes than a `u32` can say: where it begins, above its length.
///
/// One number, for parts that are put together in memory have to be there before a CPU loads all of them.
#[derive(Clone, Copy)]
struct Window(u64);

const_assert_eq!(size_of::<Window>(), size_of::<u64>());

impl Window {
    const fn new(start: u32, len_bytes: u32) -> Self {
        Self((start as u64) << 32 | len_bytes as u64)
    }

    #[inline]
    const fn start(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is cut out")]
    const fn len_bytes(self) -> u32 {
        self.0 as u32
    }
}

impl<D: Dma> DmaBuffer<D> {
    /// Returns the length of the memory in bytes, whatever the window.
    #[must_use]
    pub const fn capacity_bytes(&self) -> usize {
        self.memory.len_bytes() as usize
    }

    /// Returns the part that a request is about, all of it at first.
    #[must_use]
    pub const fn window(&self) -> Range<usize> {
        let start = self.window.start() as usize;
        // It ends inside the memory.
        start..start.wrapping_add(self.len_bytes())
    }

    /// Chooses the part that the next request is about.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if the memory has no such part; the window is unchanged.
    pub fn set_window(&mut self, window: Range<usize>) -> Result<(), OutOfRange> {
        let region_bytes = self.capacity_bytes();
        let len_bytes = window.end.checked_sub(window.start);
        match len_bytes.filter(|_| window.end <= region_bytes) {
            Some(len_bytes) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "they are no more than the length of the memory"
                )]
                let window = Window::new(window.start as u32, len_bytes as u32);
                self.window = window;
                Ok(())
            }
            None => Err(OutOfRange {
                offset: window.start,
                len_bytes: len_bytes.unwrap_or(0),
                region_bytes,
            }),
        }
    }

    /// Returns the length of the window in bytes.
    #[must_use]
    #[inline]
    pub const fn len_bytes(&self) -> usize {
        self.window.len_bytes() as usize
    }

    /// Returns the bytes of the window.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.memory
            .as_slice()
            .get(self.window())
            .unwrap_or_default()
    }

    /// Returns the bytes of the window to change.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let window = self.window();
        self.memory
            .as_mut_slice()
            .get_mut(window)
            .unwrap_or_default()
    }

    /// Unmaps the buffer and returns it, if it was made from a vector.
    ///
    /// # Errors
    ///
    /// The buffer unchanged, if it was made from something else.
    #[cfg(feature = "alloc")]
    pub fn into_vec(self) -> Result<alloc::vec::Vec<u8>, Self> {
        match self.memory.into_owner() {
            Owner::Vec(mapped) => Ok(mapped.into_inner()),
            owner => Err(Self {
                memory: owner.into(),
                window: self.window,
            }),
        }
    }
}

// SAFETY: coherent slices and mapped buffers are memory of their own that stays in place and is reachable for the device;
// the window only changes through `&mut self`.
unsafe impl<D: Dma> Segments for DmaBuffer<D> {
    #[inline]
    fn segment(&self, index: usize) -> Option<Segment> {
        if index != 0 {
            return None;
        }
        Some(Segment {
            // The window lies inside the memory, which does not wrap round the device's address space (`Dma`).
            addr: DmaAddr::new(
                self.memory
                    .device_addr()
                    .get()
                    .wrapping_add(self.window.start().into()),
            ),
            len_bytes: self.len_bytes(),
        })
    }

    #[inline]
    fn direction(&self) -> Direction {
        self.memory.direction()
    }

    #[inline]
    fn sync_for_device(&mut self) {
        self.memory.sync_for_device();
    }

    #[inline]
    fn sync_for_cpu(&mut self) {
        self.memory.sync_for_cpu();
    }
}

impl<D: Dma> fmt::Debug for DmaBuffer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DmaBuffer({:?} of {:?})", self.window(), self.memory)
    }
}

impl<D: Dma> From<Owner<D>> for DmaBuffer<D> {
    fn from(owner: Owner<D>) -> Self {
        let memory = Memory::from(owner);
        Self {
            window: Window::new(0, memory.len_bytes()),
            memory,
        }
    }
}

impl<D: Dma> From<DmaSlice<u8, D>> for DmaBuffer<D> {
    fn from(slice: DmaSlice<u8, D>) -> Self {
        Owner::Coherent(slice.into_region()).into()
    }
}

impl<D: Dma> From<Mapped<&'static mut [u8], D>> for DmaBuffer<D> {
    fn from(mapped: Mapped<&'static mut [u8], D>) -> Self {
        Owner::Static(mapped).into()
    }
}

#[cfg(feature = "alloc")]
impl<D: Dma> From<Mapped<alloc::boxed::Box<[u8]>, D>> for DmaBuffer<D> {
    fn from(mapped: Mapped<alloc::boxed::Box<[u8]>, D>) -> Self {
        Owner::Boxed(mapped).into()
    }
}

#[cfg(feature = "alloc")]
impl<D: Dma> From<Mapped<alloc::vec::Vec<u8>, D>> for DmaBuffer<D> {
    fn from(mapped: Mapped<alloc::vec::Vec<u8>, D>) -> Self {
        Owner::Vec(mapped).into()
    }
}
