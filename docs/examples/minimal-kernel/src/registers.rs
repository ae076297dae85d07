//! The registers of a device: [`Registers`].

use core::ptr::NonNull;

use levitate_hal::Mmio;
use safe_mmio::UniqueMmioPointer;

/// Registers, little-endian as the CPU is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    begin: usize,
    len_bytes: usize,
}

impl Registers {
    /// Names the registers from the address `begin` on.
    ///
    /// # Safety
    ///
    /// There are device registers at these addresses, and they stay mapped.
    pub(crate) const unsafe fn new(begin: usize, len_bytes: usize) -> Self {
        Self { begin, len_bytes }
    }

    /// Returns the register at `offset`, if there is one.
    fn register<T>(self, offset: usize) -> Option<UniqueMmioPointer<'static, T>> {
        let is_inside = offset.checked_add(size_of::<T>())? <= self.len_bytes;
        let is_aligned = offset.is_multiple_of(size_of::<T>());
        if !is_inside || !is_aligned {
            return None;
        }
        let pointer = NonNull::new((self.begin + offset) as *mut T)?;
        // SAFETY: it is one of the registers that the caller of `new` vouched for, and it is used for one access only.
        Some(unsafe { UniqueMmioPointer::new(pointer) })
    }
}

/// Implements the accesses of one width.
macro_rules! accesses {
    ($read:ident, $write:ident, $integer:ty) => {
        fn $read(&self, offset: usize) -> $integer {
            match self.register::<$integer>(offset) {
                // SAFETY: reading may change the device, but no memory; which register is read when is the driver's business.
                Some(mut register) => unsafe { register.read_unsafe() },
                None => <$integer>::MAX,
            }
        }

        fn $write(&self, offset: usize, value: $integer) {
            if let Some(mut register) = self.register::<$integer>(offset) {
                // SAFETY: it tells the device what the driver says, which gives it no memory but its own.
                unsafe { register.write_unsafe(value) };
            }
        }
    };
}

impl Mmio for Registers {
    fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    accesses!(read8, write8, u8);
    accesses!(read16, write16, u16);
    accesses!(read32, write32, u32);
    accesses!(read64, write64, u64);
}
