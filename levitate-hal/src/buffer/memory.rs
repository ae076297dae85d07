//! The memory of a [`DmaBuffer`](super::DmaBuffer) in one shape, of whatever kind it is: [`Memory`].

use core::alloc::Layout;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use static_assertions::const_assert;

use crate::address::DmaAddr;
use crate::dma::{Direction, Dma, DmaAllocation, MAX_DMA_BYTES};
#[cfg(feature = "alloc")]
use crate::mapped::MAX_SPARE_BYTES;
use crate::mapped::{Mapped, MappedParts};
use crate::region::DmaRegion;

/// Memory as it comes and goes; each kind gives itself back on drop.
pub(super) enum Owner<D: Dma> {
    /// It was a [`DmaSlice`](crate::DmaSlice) of bytes: initialised, and nobody but the owner looks at them.
    Coherent(DmaRegion<D>),
    Static(Mapped<&'static mut [u8], D>),
    #[cfg(feature = "alloc")]
    Boxed(Mapped<alloc::boxed::Box<[u8]>, D>),
    #[cfg(feature = "alloc")]
    Vec(Mapped<alloc::vec::Vec<u8>, D>),
}

/// An [`Owner`] taken apart, so that what a request asks of it is at the same place in each kind; put together again and dropped on
/// drop.
///
/// INVARIANT: `raw` and `dma` are what [`take_apart`] made of one owner, which is put together once.
#[repr(C)]
pub(super) struct Memory<D: Dma> {
    raw: Raw,
    dma: ManuallyDrop<D>,
}

/// What of an owner is just numbers; the first two are what a request looks at.
#[derive(Clone, Copy)]
#[repr(C)]
struct Raw {
    nature: Nature,
    device: DmaAddr,
    cpu: NonNull<u8>,
}

const_assert!(size_of::<Raw>() <= 24);

/// Which kind of [`Owner`] it was.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Coherent = 0,
    Static = 1,
    #[cfg(feature = "alloc")]
    Boxed = 2,
    #[cfg(feature = "alloc")]
    Vec = 3,
}

/// All that is small of an owner: the direction in the lowest two bits, where a request looks, then the kind in two, `rest` in 28,
/// and the length.
#[derive(Clone, Copy)]
struct Nature(u64);

impl Nature {
    const KIND: u32 = 2;
    const REST: u32 = Self::KIND + 2;
    const LEN: u32 = 32;
    const MAX_REST: u32 = (1 << (Self::LEN - Self::REST)) - 1;

    /// `rest` is the alignment of coherent memory, as a power of two, or what room a vector has beyond its length.
    const fn new(kind: Kind, direction: Direction, len_bytes: u32, rest: u32) -> Self {
        let direction = match direction {
            Direction::ToDevice => 1,
            Direction::FromDevice => 2,
            Direction::Both => 3,
        };
        let low = direction | (kind as u32) << Self::KIND | rest << Self::REST;
        Self((len_bytes as u64) << Self::LEN | low as u64)
    }

    #[inline]
    const fn direction(self) -> Direction {
        match self.low() & 3 {
            1 => Direction::ToDevice,
            2 => Direction::FromDevice,
            _ => Direction::Both,
        }
    }

    const fn kind(self) -> Kind {
        match (self.low() >> Self::KIND) & 3 {
            0 => Kind::Coherent,
            #[cfg(feature = "alloc")]
            2 => Kind::Boxed,
            #[cfg(feature = "alloc")]
            3 => Kind::Vec,
            _ => Kind::Static,
        }
    }

    #[inline]
    const fn is_coherent(self) -> bool {
        matches!(self.kind(), Kind::Coherent)
    }

    const fn rest(self) -> u32 {
        self.low() >> Self::REST
    }

    const fn len_bytes(self) -> u32 {
        (self.0 >> Self::LEN) as u32
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is cut out")]
    const fn low(self) -> u32 {
        self.0 as u32
    }
}

// An alignment is a power of two that fits into a `usize`.
const_assert!(usize::BITS <= Nature::MAX_REST);
#[cfg(feature = "alloc")]
const_assert!(MAX_SPARE_BYTES <= Nature::MAX_REST as usize);

/// Returns the length of an owner, as [`Nature`] has it.
const fn cut_short(len_bytes: usize) -> u32 {
    const_assert!(MAX_DMA_BYTES as u64 <= u32::MAX as u64);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "no owner is longer than `MAX_DMA_BYTES`"
    )]
    let len_bytes = len_bytes as u32;
    len_bytes
}

// SAFETY: the bytes are this owner's alone, as a `Box` or a `Vec` has them, and all kinds of them may go to another thread; `D`
// goes along.
unsafe impl<D: Dma + Send> Send for Memory<D> {}

impl<D: Dma> Memory<D> {
    pub(super) const fn len_bytes(&self) -> u32 {
        self.raw.nature.len_bytes()
    }

    #[inline]
    pub(super) const fn device_addr(&self) -> DmaAddr {
        self.raw.device
    }

    /// Returns which way data goes.
    #[inline]
    pub(super) const fn direction(&self) -> Direction {
        self.raw.nature.direction()
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        // SAFETY: the bytes are initialised and valid in each kind of owner, which this is, and lent for as long as the reference
        // lives.
        unsafe { self.raw.bytes().as_ref() }
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the bytes are initialised and valid in each kind of owner, which this is, and lent exclusively for as long as the
        // reference lives.
        unsafe { self.raw.bytes().as_mut() }
    }

    /// Hands the bytes to the device.
    #[inline]
    pub(super) fn sync_for_device(&mut self) {
        if self.raw.nature.is_coherent() {
            return;
        }
        let (bytes, device, direction) = (self.raw.bytes(), self.raw.device, self.direction());
        // SAFETY: the mapping exists until drop; `&mut self` says that no virtqueue has given it to a device.
        unsafe { self.dma.sync_for_device(bytes, device, direction) }
    }

    /// Takes the bytes back from the device.
    #[inline]
    pub(super) fn sync_for_cpu(&mut self) {
        if self.raw.nature.is_coherent() {
            return;
        }
        let (bytes, device, direction) = (self.raw.bytes(), self.raw.device, self.direction());
        // SAFETY: the mapping exists until drop; `&mut self` says that no virtqueue has given it to a device.
        unsafe { self.dma.sync_for_cpu(bytes, device, direction) }
    }

    #[cfg(feature = "alloc")]
    pub(super) fn into_owner(self) -> Owner<D> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, nor used any more, so that the instance is taken once.
        let dma = unsafe { ManuallyDrop::take(&mut this.dma) };
        // SAFETY: both come from one owner (invariant), and as `this` is not dropped, are used once.
        unsafe { put_together(this.raw, dma) }
    }
}

impl Raw {
    const fn len_bytes(&self) -> usize {
        self.nature.len_bytes() as usize
    }

    const fn bytes(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.cpu, self.len_bytes())
    }

    /// Returns it as the parts of a mapped buffer.
    const fn mapped<R, D>(&self, dma: D, rest: R) -> MappedParts<R, D> {
        MappedParts {
            place: self.bytes(),
            rest,
            device: self.device,
            direction: self.nature.direction(),
            dma,
        }
    }
}

impl<D: Dma> From<Owner<D>> for Memory<D> {
    fn from(owner: Owner<D>) -> Self {
        let (raw, dma) = take_apart(owner);
        Self {
            raw,
            dma: ManuallyDrop::new(dma),
        }
    }
}

impl<D: Dma> Drop for Memory<D> {
    // What is passed on is a copy: whoever moves a buffer that may be dropped need not have it in memory for that.
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it is dropped once, and not used any more, so that the instance is taken once.
        let dma = unsafe { ManuallyDrop::take(&mut self.dma) };
        // SAFETY: both come from one owner (invariant), and are used once: here.
        unsafe { give_back(self.raw, dma) }
    }
}

fn take_apart<D: Dma>(owner: Owner<D>) -> (Raw, D) {
    match owner {
        Owner::Coherent(region) => {
            let (allocation, layout, dma) = region.into_parts();
            let raw = Raw {
                nature: Nature::new(
                    Kind::Coherent,
                    // Nothing keeps either side from coherent memory.
                    Direction::Both,
                    cut_short(layout.size()),
                    layout.align().ilog2(),
                ),
                device: allocation.device,
                cpu: allocation.cpu,
            };
            (raw, dma)
        }
        Owner::Static(mapped) => of_mapped(mapped.into_parts(), Kind::Static, 0),
        #[cfg(feature = "alloc")]
        Owner::Boxed(mapped) => of_mapped(mapped.into_parts(), Kind::Boxed, 0),
        #[cfg(feature = "alloc")]
        Owner::Vec(mapped) => {
            let parts = mapped.into_parts();
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a vector that is mapped has no more to spare than `MAX_SPARE_BYTES`"
            )]
            let spare_bytes = parts.rest.wrapping_sub(parts.place.len()) as u32;
            of_mapped(parts, Kind::Vec, spare_bytes)
        }
    }
}

fn of_mapped<R, D>(parts: MappedParts<R, D>, kind: Kind, rest: u32) -> (Raw, D) {
    let raw = Raw {
        nature: Nature::new(kind, parts.direction, cut_short(parts.place.len()), rest),
        device: parts.device,
        cpu: parts.place.cast(),
    };
    (raw, parts.dma)
}

/// Makes the owner again that was taken apart.
///
/// # Safety
///
/// `raw` and `dma` came from one [`take_apart`], and are used once.
unsafe fn put_together<D: Dma>(raw: Raw, dma: D) -> Owner<D> {
    match raw.nature.kind() {
        Kind::Coherent => {
            let allocation = DmaAllocation {
                cpu: raw.cpu,
                device: raw.device,
            };
            // SAFETY: both numbers are those of the layout of the region that was taken apart.
            let layout = unsafe {
                Layout::from_size_align_unchecked(raw.len_bytes(), 1 << raw.nature.rest())
            };
            // SAFETY: all of it is from that region, and used once, as the caller vouches.
            Owner::Coherent(unsafe { DmaRegion::from_parts(allocation, layout, dma) })
        }
        // SAFETY: they are the parts of such a buffer, as `kind` says, and used once, as the caller vouches.
        Kind::Static => Owner::Static(unsafe { Mapped::from_parts(raw.mapped(dma, ())) }),
        #[cfg(feature = "alloc")]
        // SAFETY: they are the parts of such a buffer, as `kind` says, and used once, as the caller vouches.
        Kind::Boxed => Owner::Boxed(unsafe { Mapped::from_parts(raw.mapped(dma, ())) }),
        #[cfg(feature = "alloc")]
        Kind::Vec => {
            let capacity = raw.len_bytes().wrapping_add(raw.nature.rest() as usize);
            // SAFETY: they are the parts of such a buffer, as `kind` says, and used once, as the caller vouches.
            Owner::Vec(unsafe { Mapped::from_parts(raw.mapped(dma, capacity)) })
        }
    }
}

/// Gives the memory of an owner back.
///
/// # Safety
///
/// As [`put_together`].
#[cold]
unsafe fn give_back<D: Dma>(raw: Raw, dma: D) {
    // SAFETY: the caller vouches for it.
    drop(unsafe { put_together(raw, dma) });
}

impl<D: Dma> fmt::Debug for Memory<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Raw { nature, device, .. } = self.raw;
        let (len_bytes, kind) = (nature.len_bytes(), nature.kind());
        let direction = nature.direction();
        write!(f, "{len_bytes} bytes at {device}, {kind:?}, {direction:?}")
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_nature_is_what_was_put_in() {
        use Direction::{Both, FromDevice, ToDevice};
        for kind in [Kind::Coherent, Kind::Static, Kind::Boxed, Kind::Vec] {
            for direction in [ToDevice, FromDevice, Both] {
                for len_bytes in [1, 1 << 16, u32::MAX] {
                    for rest in [0, 1, Nature::MAX_REST] {
                        let nature = Nature::new(kind, direction, len_bytes, rest);
                        assert_eq!(nature.kind() as u32, kind as u32);
                        assert_eq!(nature.direction(), direction);
                        assert_eq!((nature.len_bytes(), nature.rest()), (len_bytes, rest));
                    }
                }
            }
        }
    }
}
