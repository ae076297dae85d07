//! What a request carries besides its header: [`DmaBuffer`], and [`Segments`] for a virtqueue.

use core::ops::Range;

use crate::address::DmaAddr;
use crate::dma::{Direction, Dma};
use crate::mapped::Mapped;
use crate::owner::DmaSlice;
use crate::region::OutOfRange;

/// A contiguous piece of memory as the device addresses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where the device finds the first byte.
    pub addr: DmaAddr,
    /// Length in bytes; not zero.
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

    /// Called before the device gets the memory.
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
#[derive(Debug)]
pub struct DmaBuffer<D: Dma> {
    memory: Memory<D>,
    window: Range<usize>,
}

#[derive(Debug)]
enum Memory<D: Dma> {
    Coherent(DmaSlice<u8, D>),
    Static(Mapped<&'static mut [u8], D>),
    #[cfg(feature = "alloc")]
    Boxed(Mapped<alloc::boxed::Box<[u8]>, D>),
    #[cfg(feature = "alloc")]
    Vec(Mapped<alloc::vec::Vec<u8>, D>),
}

macro_rules! with_memory {
    ($memory:expr, coherent $c:ident => $coherent:expr, mapped $m:ident => $mapped:expr) => {
        match $memory {
            Memory::Coherent($c) => $coherent,
            Memory::Static($m) => $mapped,
            #[cfg(feature = "alloc")]
            Memory::Boxed($m) => $mapped,
            #[cfg(feature = "alloc")]
            Memory::Vec($m) => $mapped,
        }
    };
}

impl<D: Dma> DmaBuffer<D> {
    /// Returns the length of the memory in bytes, whatever the window.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        with_memory!(&self.memory, coherent slice => slice.len_bytes(), mapped mapped => mapped.len_bytes())
    }

    /// Returns the part that a request is about, all of it at first.
    #[must_use]
    pub fn window(&self) -> Range<usize> {
        self.window.clone()
    }

    /// Chooses the part that the next request is about.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if the memory has no such part; the window is unchanged.
    pub fn set_window(&mut self, window: Range<usize>) -> Result<(), OutOfRange> {
        let region_bytes = self.capacity_bytes();
        if window.start > window.end || window.end > region_bytes {
            let len_bytes = window.end.saturating_sub(window.start);
            return Err(OutOfRange {
                offset: window.start,
                len_bytes,
                region_bytes,
            });
        }
        self.window = window;
        Ok(())
    }

    /// Returns the length of the window in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.window.end.saturating_sub(self.window.start)
    }

    /// Returns the bytes of the window.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        let all = with_memory!(&self.memory, coherent slice => &**slice, mapped mapped => mapped.as_slice());
        all.get(self.window.clone()).unwrap_or_default()
    }

    /// Returns the bytes of the window to change.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let window = self.window.clone();
        let all = with_memory!(&mut self.memory, coherent slice => &mut **slice, mapped mapped => mapped.as_mut_slice());
        all.get_mut(window).unwrap_or_default()
    }

    fn whole(memory: Memory<D>) -> Self {
        let mut buffer = Self {
            memory,
            window: 0..0,
        };
        buffer.window = 0..buffer.capacity_bytes();
        buffer
    }

    /// Unmaps the buffer and returns it, if it was made from a vector.
    ///
    /// # Errors
    ///
    /// The buffer unchanged, if it was made from something else.
    #[cfg(feature = "alloc")]
    pub fn into_vec(self) -> Result<alloc::vec::Vec<u8>, Self> {
        match self.memory {
            Memory::Vec(mapped) => Ok(mapped.into_inner()),
            memory => Err(Self {
                memory,
                window: self.window,
            }),
        }
    }
}

// SAFETY: coherent slices and mapped buffers are memory of their own that stays in place and is reachable for the device;
// the window only changes through `&mut self`.
unsafe impl<D: Dma> Segments for DmaBuffer<D> {
    fn segment(&self, index: usize) -> Option<Segment> {
        if index != 0 || self.len_bytes() == 0 {
            return None;
        }
        let start = with_memory!(&self.memory, coherent slice => slice.device_addr(), mapped mapped => mapped.device_addr());
        // The window lies inside the memory (`set_window`), so the sum exists.
        let addr = start.checked_add(self.window.start as u64)?;
        Some(Segment {
            addr,
            len_bytes: self.len_bytes(),
        })
    }

    fn direction(&self) -> Direction {
        with_memory!(&self.memory, coherent _slice => Direction::Both, mapped mapped => mapped.direction())
    }

    fn sync_for_device(&mut self) {
        with_memory!(&mut self.memory, coherent _slice => {}, mapped mapped => mapped.sync_for_device());
    }

    fn sync_for_cpu(&mut self) {
        with_memory!(&mut self.memory, coherent _slice => {}, mapped mapped => mapped.sync_for_cpu());
    }
}

impl<D: Dma> From<DmaSlice<u8, D>> for DmaBuffer<D> {
    fn from(slice: DmaSlice<u8, D>) -> Self {
        Self::whole(Memory::Coherent(slice))
    }
}

impl<D: Dma> From<Mapped<&'static mut [u8], D>> for DmaBuffer<D> {
    fn from(mapped: Mapped<&'static mut [u8], D>) -> Self {
        Self::whole(Memory::Static(mapped))
    }
}

#[cfg(feature = "alloc")]
impl<D: Dma> From<Mapped<alloc::boxed::Box<[u8]>, D>> for DmaBuffer<D> {
    fn from(mapped: Mapped<alloc::boxed::Box<[u8]>, D>) -> Self {
        Self::whole(Memory::Boxed(mapped))
    }
}

#[cfg(feature = "alloc")]
impl<D: Dma> From<Mapped<alloc::vec::Vec<u8>, D>> for DmaBuffer<D> {
    fn from(mapped: Mapped<alloc::vec::Vec<u8>, D>) -> Self {
        Self::whole(Memory::Vec(mapped))
    }
}
