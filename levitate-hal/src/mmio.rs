//! Access to a device's registers: [`Mmio`], [`MmioPart`].

use core::ops::Range;

/// A region of device registers with a known length.
///
/// Registers are little-endian; values are passed in the CPU's own order.
/// One call is one access of that width, never split, merged, repeated or left out.
///
/// Whoever builds on a region compares [`Mmio::len_bytes`] with what it needs *once*, at construction.
/// An access that nevertheless goes outside the region, or is not a multiple of its width, must be harmless:
/// a read returns all ones and a write is dropped, as on a bus where nothing answers.
///
/// What it returns is taken for what the device says, also that the device was reset and is done with the memory it was given.
///
/// Clones name the same registers; a driver takes one for each of its independent handles.
pub trait Mmio: Clone {
    /// Returns the length of the region in bytes.
    fn len_bytes(&self) -> usize;

    /// Reads 8 bits at `offset` bytes into the region.
    fn read8(&self, offset: usize) -> u8;

    /// Reads 16 bits at `offset` bytes into the region.
    fn read16(&self, offset: usize) -> u16;

    /// Reads 32 bits at `offset` bytes into the region.
    fn read32(&self, offset: usize) -> u32;

    /// Reads 64 bits at `offset` bytes into the region.
    fn read64(&self, offset: usize) -> u64;

    /// Writes 8 bits at `offset` bytes into the region.
    fn write8(&self, offset: usize, value: u8);

    /// Writes 16 bits at `offset` bytes into the region.
    fn write16(&self, offset: usize, value: u16);

    /// Writes 32 bits at `offset` bytes into the region.
    fn write32(&self, offset: usize, value: u32);

    /// Writes 64 bits at `offset` bytes into the region.
    fn write64(&self, offset: usize, value: u64);
}

/// Implements the accesses of [`Mmio`] by two methods: `read(&self, offset: usize, width_bytes: usize) -> u64`, whose upper bytes are left out,
/// and `write(&self, offset: usize, width_bytes: usize, value: u64)`.
///
/// For registers that are not registers of the CPU's bus, such as those of a model: all widths go the same way.
///
/// ```
/// # use core::cell::Cell;
/// use levitate_hal::{Mmio, accesses_by_width};
///
/// /// One register of 32 bits.
/// #[derive(Clone)]
/// struct Register<'a>(&'a Cell<u32>);
///
/// impl Register<'_> {
///     fn read(&self, offset: usize, width_bytes: usize) -> u64 {
///         match (offset, width_bytes) {
///             (0, 4) => self.0.get().into(),
///             _ => u64::MAX,
///         }
///     }
///
///     fn write(&self, offset: usize, width_bytes: usize, value: u64) {
///         if (offset, width_bytes) == (0, 4) {
///             self.0.set(value as u32);
///         }
///     }
/// }
///
/// impl Mmio for Register<'_> {
///     fn len_bytes(&self) -> usize {
///         4
///     }
///
///     accesses_by_width!();
/// }
///
/// let cell = Cell::new(7);
/// Register(&cell).write32(0, 8);
/// assert_eq!(Register(&cell).read32(0), 8);
/// assert_eq!(Register(&cell).read8(0), 0xff);
/// ```
#[macro_export]
macro_rules! accesses_by_width {
    () => {
        $crate::accesses_by_width!(@read read8 u8, read16 u16, read32 u32, read64 u64);
        $crate::accesses_by_width!(@write write8 u8, write16 u16, write32 u32, write64 u64);
    };
    (@read $($name:ident $type:ident),*) => {
        $(fn $name(&self, offset: usize) -> $type {
            let value = self.read(offset, ::core::mem::size_of::<$type>());
            let mut bytes = [0; ::core::mem::size_of::<$type>()];
            for (to, from) in bytes.iter_mut().zip(value.to_le_bytes()) {
                *to = from;
            }
            $type::from_le_bytes(bytes)
        })*
    };
    (@write $($name:ident $type:ident),*) => {
        $(fn $name(&self, offset: usize, value: $type) {
            self.write(offset, ::core::mem::size_of::<$type>(), u64::from(value));
        })*
    };
}

/// Part of a region, such as one structure in the BAR of a PCI function: a region of its own.
#[derive(Clone, Debug)]
pub struct MmioPart<M> {
    region: M,
    start: usize,
    len_bytes: usize,
}

impl<M: Mmio> MmioPart<M> {
    /// Takes the bytes in `range` of `region`; `None` if they are not all in it.
    ///
    /// An access is aligned if it is so in `region`.
    #[must_use]
    pub fn new(region: M, range: Range<usize>) -> Option<Self> {
        let len_bytes = range.end.checked_sub(range.start)?;
        (range.end <= region.len_bytes()).then_some(Self {
            region,
            start: range.start,
            len_bytes,
        })
    }

    /// Returns where an access of `width_bytes` goes in the whole region; past its end, where nothing answers, if it is not all in the part.
    fn place(&self, offset: usize, width_bytes: usize) -> usize {
        offset
            .checked_add(width_bytes)
            .filter(|end| *end <= self.len_bytes)
            .and_then(|_| self.start.checked_add(offset))
            .unwrap_or(usize::MAX)
    }
}

impl<M: Mmio> Mmio for MmioPart<M> {
    fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    fn read8(&self, offset: usize) -> u8 {
        self.region.read8(self.place(offset, 1))
    }

    fn read16(&self, offset: usize) -> u16 {
        self.region.read16(self.place(offset, 2))
    }

    fn read32(&self, offset: usize) -> u32 {
        self.region.read32(self.place(offset, 4))
    }

    fn read64(&self, offset: usize) -> u64 {
        self.region.read64(self.place(offset, 8))
    }

    fn write8(&self, offset: usize, value: u8) {
        self.region.write8(self.place(offset, 1), value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.region.write16(self.place(offset, 2), value);
    }

    fn write32(&self, offset: usize, value: u32) {
        self.region.write32(self.place(offset, 4), value);
    }

    fn write64(&self, offset: usize, value: u64) {
        self.region.write64(self.place(offset, 8), value);
    }
}

#[cfg(test)]
mod tests;
