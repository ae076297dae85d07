//! Device registers as [`Mmio`]: [`Registers`].

use core::mem::size_of;
use core::ops::Range;
use core::ptr::NonNull;

use levitate_hal::Mmio;
use safe_mmio::UniqueMmioPointer;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::memory::registers;

/// A device's registers; every access is checked against their length.
///
/// INVARIANT: registers are mapped at every address of `start..start + len_bytes`.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    start: usize,
    len_bytes: usize,
}

impl Registers {
    /// Names the registers in `range`; `None` if no device registers are mapped there.
    pub(crate) fn new(range: Range<usize>) -> Option<Self> {
        registers::is_mapped(&range).then_some(Self {
            start: range.start,
            len_bytes: range.end - range.start,
        })
    }

    /// Returns where they begin.
    pub(crate) const fn start(&self) -> usize {
        self.start
    }

    /// Returns a pointer to all of them, for code that makes accesses of its own.
    #[cfg(feature = "virtio-drivers")]
    pub(crate) fn pointer(&self) -> Option<NonNull<[u8]>> {
        let start = NonNull::new(self.start as *mut u8)?;
        Some(NonNull::slice_from_raw_parts(start, self.len_bytes))
    }

    /// Returns a pointer to the register at `offset`, if it is inside and aligned.
    fn register<T>(&self, offset: usize) -> Option<UniqueMmioPointer<'static, T>> {
        let end = offset.checked_add(size_of::<T>())?;
        let address = self.start.checked_add(offset)?;
        if end > self.len_bytes || !address.is_multiple_of(size_of::<T>()) {
            return None;
        }
        let pointer = NonNull::new(address as *mut T)?;
        // SAFETY: the address is aligned, and mapped as device memory for as long as the kernel runs (invariant). The pointer is used for one access and dropped, and an access is one instruction: no other comes between.
        Some(unsafe { UniqueMmioPointer::new(pointer) })
    }

    /// Reads a register; all ones where there is none.
    fn read<T: FromBytes + IntoBytes + 'static>(&self, offset: usize, nothing: T) -> T {
        match self.register(offset) {
            // SAFETY: a read may change the state of a device, but never memory that Rust knows of; which register may be
            // read when is what the driver that owns this region knows.
            Some(mut register) => unsafe { register.read_unsafe() },
            None => nothing,
        }
    }

    /// Writes a register; nothing happens where there is none.
    fn write<T: IntoBytes + Immutable + 'static>(&self, offset: usize, value: T) {
        if let Some(mut register) = self.register(offset) {
            // SAFETY: the write reaches a device register; that a device is only told of memory that is its to use is what
            // the unsafe functions of `levitate-virtio` are for.
            unsafe { register.write_unsafe(value) };
        }
    }
}

impl Mmio for Registers {
    fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    fn read8(&self, offset: usize) -> u8 {
        self.read(offset, u8::MAX)
    }

    fn read16(&self, offset: usize) -> u16 {
        u16::from_le(self.read(offset, u16::MAX))
    }

    fn read32(&self, offset: usize) -> u32 {
        u32::from_le(self.read(offset, u32::MAX))
    }

    fn read64(&self, offset: usize) -> u64 {
        u64::from_le(self.read(offset, u64::MAX))
    }

    fn write8(&self, offset: usize, value: u8) {
        self.write(offset, value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.write(offset, value.to_le());
    }

    fn write32(&self, offset: usize, value: u32) {
        self.write(offset, value.to_le());
    }

    fn write64(&self, offset: usize, value: u64) {
        self.write(offset, value.to_le());
    }
}
