//! A place in a packed ring, and which lap it is: [`Position`] (§2.8.1).

use super::layout::PackedFlags;
use crate::queue::QueueSize;

/// An index into the descriptor ring with its wrap counter, which begins at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// INVARIANT: below `size`.
    index: u16,
    wrap: bool,
    size: QueueSize,
}

impl Position {
    pub(super) const fn start(size: QueueSize) -> Self {
        Self {
            index: 0,
            wrap: true,
            size,
        }
    }

    /// Takes apart what [`off_wrap`](Self::off_wrap) returned for a ring of this size.
    pub(super) const fn at(size: QueueSize, off_wrap: u16) -> Self {
        let index = off_wrap & !WRAP;
        Self {
            // Another ring's would not be inside.
            index: if index < size.get() { index } else { 0 },
            wrap: off_wrap & WRAP != 0,
            size,
        }
    }

    pub(super) const fn size(self) -> QueueSize {
        self.size
    }

    #[inline]
    pub(super) const fn index(self) -> u16 {
        self.index
    }

    /// Goes on by `descriptors`, at most as many as the ring has.
    #[inline]
    pub(super) const fn advance(&mut self, descriptors: u16) {
        let next = self.index.wrapping_add(descriptors);
        // Both are at most 32768, so that the sum is right.
        if next < self.size.get() {
            self.index = next;
        } else {
            self.index = next.wrapping_sub(self.size.get());
            self.wrap = !self.wrap;
        }
    }

    /// Returns offset and wrap counter as the event suppression areas have them (§2.8.10).
    #[inline]
    pub(super) const fn off_wrap(self) -> u16 {
        match self.wrap {
            true => self.index | WRAP,
            false => self.index,
        }
    }

    /// Returns the flags that make a descriptor here available: AVAIL is the wrap counter and USED is not.
    #[inline]
    pub(super) const fn available_flags(self) -> u16 {
        match self.wrap {
            true => PackedFlags::AVAIL.bits(),
            false => PackedFlags::USED.bits(),
        }
    }

    /// Says whether a descriptor here with these flags is used: both are the wrap counter.
    #[inline]
    pub(super) const fn is_used(self, flags: PackedFlags) -> bool {
        let both = PackedFlags::AVAIL.union(PackedFlags::USED);
        let expected = match self.wrap {
            true => both.bits(),
            false => 0,
        };
        flags.bits() & both.bits() == expected
    }

    /// Returns how many descriptors this position is after `off_wrap`, within two laps; `None` if there is no such position.
    pub(super) fn distance_from(self, off_wrap: u16) -> Option<u32> {
        let other = Self {
            index: off_wrap & !WRAP,
            wrap: off_wrap & WRAP != 0,
            size: self.size,
        };
        if other.index >= self.size.get() {
            return None;
        }
        let two_laps = u32::from(self.size.get()).wrapping_mul(2);
        let distance = self
            .linear()
            .wrapping_add(two_laps)
            .wrapping_sub(other.linear());
        Some(match distance.checked_sub(two_laps) {
            Some(rest) => rest,
            None => distance,
        })
    }

    /// Returns the position within two laps.
    fn linear(self) -> u32 {
        let lap = match self.wrap {
            true => 0,
            false => u32::from(self.size.get()),
        };
        u32::from(self.index).wrapping_add(lap)
    }
}

/// Where an event suppression area and a notification have the wrap counter.
const WRAP: u16 = 1 << 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrap_counter_changes_with_each_lap() {
        let size = QueueSize::new(3).unwrap();
        let mut position = Position::start(size);
        let mut seen = std::vec::Vec::new();
        for step in [1, 2, 1, 3, 2] {
            seen.push(position.off_wrap());
            position.advance(step);
        }
        assert_eq!(seen, [0x8000, 0x8001, 0, 1, 0x8001]);
        assert_eq!(position.off_wrap(), 0);
    }

    #[test]
    fn distances_are_counted_over_two_laps() {
        for size in [1, 2, 5, 32768] {
            let size = QueueSize::new(size).unwrap();
            let laps = u32::from(size.get()) * 2;
            let mut from = Position::start(size);
            for start in 0..laps.min(20) {
                let mut to = from;
                for distance in 0..laps.min(20) {
                    assert_eq!(
                        to.distance_from(from.off_wrap()),
                        Some(distance),
                        "{size}: {distance} from {start}"
                    );
                    to.advance(1);
                }
                from.advance(1);
            }
        }
        let size = QueueSize::new(5).unwrap();
        assert_eq!(Position::start(size).distance_from(5), None);
    }

    #[test]
    fn the_flags_are_those_of_the_lap() {
        let size = QueueSize::new(1).unwrap();
        let mut position = Position::start(size);
        let flags = PackedFlags::from_bits_retain;
        assert_eq!(position.available_flags(), 1 << 7);
        assert!(!position.is_used(flags(0)));
        assert!(!position.is_used(flags(1 << 7)));
        assert!(position.is_used(flags(1 << 7 | 1 << 15)));
        position.advance(1);
        assert_eq!(position.available_flags(), 1 << 15);
        assert!(!position.is_used(flags(1 << 15)));
        assert!(position.is_used(flags(0)));
    }
}
