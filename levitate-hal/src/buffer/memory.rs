//! The memory of a [`DmaBuffer`](super::DmaBuffer) in one shape, of whatever kind it is: [`Memory`].

use core::alloc::Layout;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use static_assertions::const_assert;

use crate::address::DmaAddr;
use crate::dma::{Direction, Dma, DmaAllocation};
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

/// What of an owner is just numbers; the first two are what a request looks at (see [`DmaBuffer`](super::DmaBuffer)).
#[derive(Clone, Copy)]
#[repr(C)]
struct Raw {
    nature: Nature,
    device: DmaAddr,
    cpu: NonNull<u8>,
    len_bytes: usize,
    /// Alignment of coherent memory, capacity of a vector.
    rest: usize,
}

const_assert!(size_of::<Raw>() <= 40);

/// Which kind of [`Owner`] it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Coherent,
    Static,
    #[cfg(feature = "alloc")]
    Boxed,
    #[cfg(feature = "alloc")]
    Vec,
}

macro_rules! natures {
    ($($(#[$attribute:meta])* $name:ident = $number:literal is $kind:ident $direction:ident;)*) => {
        /// Which kind of [`Owner`] it was, and which way data goes: a whole word, for what is not is moved in more pieces.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
        enum Nature {
            $($(#[$attribute])* $name = $number,)*
        }

        impl Nature {
            fn new(kind: Kind, direction: Direction) -> Self {
                match (kind, direction) {
                    $($(#[$attribute])* (Kind::$kind, Direction::$direction) => Self::$name,)*
                    // Nothing keeps either side from coherent memory.
                    (Kind::Coherent, _) => Self::Coherent,
                }
            }

            const fn kind(self) -> Kind {
                match self {
                    $($(#[$attribute])* Self::$name => Kind::$kind,)*
                }
            }

            #[inline]
            const fn direction(self) -> Direction {
                match self {
                    $($(#[$attribute])* Self::$name => Direction::$direction,)*
                }
            }
        }
    };
}

// The directions are in the lowest two bits, so that they are found without a table.
natures! {
    Coherent = 0b0011 is Coherent Both;
    StaticTo = 0b0101 is Static ToDevice;
    StaticFrom = 0b0110 is Static FromDevice;
    Static = 0b0111 is Static Both;
    #[cfg(feature = "alloc")]
    BoxedTo = 0b1001 is Boxed ToDevice;
    #[cfg(feature = "alloc")]
    BoxedFrom = 0b1010 is Boxed FromDevice;
    #[cfg(feature = "alloc")]
    Boxed = 0b1011 is Boxed Both;
    #[cfg(feature = "alloc")]
    VecTo = 0b1101 is Vec ToDevice;
    #[cfg(feature = "alloc")]
    VecFrom = 0b1110 is Vec FromDevice;
    #[cfg(feature = "alloc")]
    Vec = 0b1111 is Vec Both;
}

// SAFETY: the bytes are this owner's alone, as a `Box` or a `Vec` has them, and all kinds of them may go to another thread; `D`
// goes along.
unsafe impl<D: Dma + Send> Send for Memory<D> {}

impl<D: Dma> Memory<D> {
    pub(super) const fn len_bytes(&self) -> usize {
        self.raw.len_bytes
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
        if self.raw.nature == Nature::Coherent {
            return;
        }
        let (bytes, device, direction) = (self.raw.bytes(), self.raw.device, self.direction());
        // SAFETY: the mapping exists until drop; `&mut self` says that no virtqueue has given it to a device.
        unsafe { self.dma.sync_for_device(bytes, device, direction) }
    }

    /// Takes the bytes back from the device.
    #[inline]
    pub(super) fn sync_for_cpu(&mut self) {
        if self.raw.nature == Nature::Coherent {
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
    const fn bytes(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.cpu, self.len_bytes)
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
                cpu: allocation.cpu,
                device: allocation.device,
                len_bytes: layout.size(),
                rest: layout.align(),
                nature: Nature::Coherent,
            };
            (raw, dma)
        }
        Owner::Static(mapped) => of_mapped(mapped.into_parts(), Kind::Static, |()| 0),
        #[cfg(feature = "alloc")]
        Owner::Boxed(mapped) => of_mapped(mapped.into_parts(), Kind::Boxed, |()| 0),
        #[cfg(feature = "alloc")]
        Owner::Vec(mapped) => of_mapped(mapped.into_parts(), Kind::Vec, |capacity| capacity),
    }
}

fn of_mapped<R, D>(
    parts: MappedParts<R, D>,
    kind: Kind,
    rest: impl FnOnce(R) -> usize,
) -> (Raw, D) {
    let raw = Raw {
        cpu: parts.place.cast(),
        device: parts.device,
        len_bytes: parts.place.len(),
        rest: rest(parts.rest),
        nature: Nature::new(kind, parts.direction),
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
            let layout = unsafe { Layout::from_size_align_unchecked(raw.len_bytes, raw.rest) };
            // SAFETY: all of it is from that region, and used once, as the caller vouches.
            Owner::Coherent(unsafe { DmaRegion::from_parts(allocation, layout, dma) })
        }
        // SAFETY: they are the parts of such a buffer, as `kind` says, and used once, as the caller vouches.
        Kind::Static => Owner::Static(unsafe { Mapped::from_parts(raw.mapped(dma, ())) }),
        #[cfg(feature = "alloc")]
        // SAFETY: they are the parts of such a buffer, as `kind` says, and used once, as the caller vouches.
        Kind::Boxed => Owner::Boxed(unsafe { Mapped::from_parts(raw.mapped(dma, ())) }),
        #[cfg(feature = "alloc")]
        // SAFETY: they are the parts of such a buffer, as `kind` says, and used once, as the caller vouches.
        Kind::Vec => Owner::Vec(unsafe { Mapped::from_parts(raw.mapped(dma, raw.rest)) }),
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
        let Raw {
            device,
            len_bytes,
            nature,
            ..
        } = self.raw;
        write!(f, "{len_bytes} bytes at {device}, {nature:?}")
    }
}
