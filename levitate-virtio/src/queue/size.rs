//! Numbers that are checked once: [`QueueSize`] and [`QueueIndex`] (§2.6).

use core::fmt;

/// The number of descriptors of a virtqueue, 1 to 32768 (§2.7, §2.8.10.1); that of a split one is a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueSize(u16);

impl QueueSize {
    /// The largest one there is.
    pub const MAX: Self = Self(32768);

    /// Takes `size` if a virtqueue can have it; a split one needs a power of two besides.
    #[must_use]
    pub const fn new(size: u16) -> Option<Self> {
        if size == 0 || size > Self::MAX.0 {
            None
        } else {
            Some(Self(size))
        }
    }

    /// Returns the smallest power of two with room for `descriptors`, if there is one.
    #[must_use]
    pub const fn at_least(descriptors: usize) -> Option<Self> {
        match descriptors.checked_next_power_of_two() {
            #[expect(clippy::cast_possible_truncation, reason = "at most 32768")]
            Some(size) if size <= Self::MAX.0 as usize => Some(Self(size as u16)),
            _ => None,
        }
    }

    /// Returns the largest power of two that is not above `limit`, if there is one.
    #[must_use]
    pub const fn at_most(limit: u32) -> Option<Self> {
        match limit.checked_ilog2() {
            None => None,
            Some(bits) if bits >= 15 => Some(Self::MAX),
            Some(bits) => Some(Self(1 << bits)),
        }
    }

    /// Returns the number of descriptors.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns the number of descriptors, as a length.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }

    /// Returns the bits of an index that counts without end which tell the entry it falls on, if the size is a power of two.
    #[must_use]
    pub const fn mask(self) -> u16 {
        // A size is at least 1, so the subtraction does not wrap.
        self.0.wrapping_sub(1)
    }
}

impl fmt::Display for QueueSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which virtqueue of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueIndex(u16);

impl QueueIndex {
    /// Names the device's queue number `index`.
    #[must_use]
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for QueueIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_1_to_32768() {
        assert_eq!(QueueSize::new(0), None);
        assert_eq!(QueueSize::new(3).map(QueueSize::get), Some(3));
        assert_eq!(QueueSize::new(256).map(QueueSize::get), Some(256));
        assert_eq!(QueueSize::new(32768), Some(QueueSize::MAX));
        assert_eq!(QueueSize::new(32769), None);
    }

    #[test]
    fn sizes_round_up_and_down() {
        let at_least = |n| QueueSize::at_least(n).map(QueueSize::get);
        assert_eq!(at_least(0), Some(1));
        assert_eq!(at_least(5), Some(8));
        assert_eq!(at_least(32768), Some(32768));
        assert_eq!(at_least(32769), None);
        let at_most = |n| QueueSize::at_most(n).map(QueueSize::get);
        assert_eq!(at_most(0), None);
        assert_eq!(at_most(1), Some(1));
        assert_eq!(at_most(1000), Some(512));
        assert_eq!(at_most(u32::MAX), Some(32768));
    }

    #[test]
    fn an_index_wraps_onto_the_ring() {
        assert_eq!(QueueSize::new(8).unwrap().mask(), 7);
        assert_eq!(QueueSize::new(1).unwrap().mask(), 0);
    }
}
