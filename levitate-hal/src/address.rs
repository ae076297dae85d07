//! An address as the device sees it: [`DmaAddr`].

use core::fmt;

/// An address a device uses to reach memory.
///
/// It is neither a virtual nor a physical address of the CPU, though a platform without an IOMMU makes it equal to the latter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct DmaAddr(u64);

impl DmaAddr {
    /// Names the byte a device reaches at `address`.
    #[must_use]
    pub const fn new(address: u64) -> Self {
        Self(address)
    }

    /// Returns the number to put into a descriptor, a register or a command.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the address `bytes` further on, or `None` past the end of the address space.
    #[must_use]
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(address) => Some(Self(address)),
            None => None,
        }
    }

    /// Says whether the address is a multiple of `align`, a power of two.
    #[must_use]
    pub const fn is_aligned_to(self, align: u64) -> bool {
        self.0 & align.wrapping_sub(1) == 0
    }
}

impl fmt::Display for DmaAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_past_the_end_is_none() {
        assert_eq!(DmaAddr::new(u64::MAX).checked_add(1), None);
        assert_eq!(DmaAddr::new(16).checked_add(1), Some(DmaAddr::new(17)));
    }

    #[test]
    fn alignment_counts_low_bits() {
        assert!(DmaAddr::new(0x1000).is_aligned_to(4096));
        assert!(!DmaAddr::new(0x1008).is_aligned_to(16));
    }
}
