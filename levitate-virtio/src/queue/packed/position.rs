//! A place in a packed ring, and which lap it is: [`Position`] (§2.8.1).

use super::layout::PackedFlags;
use crate::queue::QueueSize;
use crate::queue::layout::DESCRIPTOR_BYTES;

/// A place in the descriptor ring with its wrap counter, which begins at 1.
///
/// Where it is looked at for each request it is not copied: one load of several fields has to wait where one of them was written a
/// moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Where in the ring the descriptor is, in bytes, which is what is asked for most.
    ///
    /// INVARIANT: a multiple of a descriptor's length, below `end`.
    offset: u32,
    /// The wrap counter, as the flags that make a descriptor here available, behind 16 bits for its id: AVAIL is the wrap counter and
    /// USED is not.
    available_flags: u32,
    /// The wrap counter, as the flags that make a descriptor here used: both are the wrap counter.
    used_flags: u16,
    /// How long the ring is, in bytes: at most 32768 descriptors.
    end: u32,
}

/// The flags of a lap, where `available_flags` has them.
const AVAIL: u32 = (PackedFlags::AVAIL.bits() as u32) << 16;
const USED: u32 = (PackedFlags::USED.bits() as u32) << 16;
/// Both of them, where a descriptor has them.
const BOTH: u16 = PackedFlags::AVAIL.union(PackedFlags::USED).bits();

/// Returns how long so many descriptors are, in bytes.
#[inline]
const fn bytes_of(descriptors: u16) -> u32 {
    (descriptors as u32).wrapping_mul(DESCRIPTOR_BYTES)
}

impl Position {
    pub(super) const fn start(size: QueueSize) -> Self {
        Self::new(0, true, bytes_of(size.get()))
    }

    const fn new(offset: u32, wrap: bool, end: u32) -> Self {
        let (available_flags, used_flags) = if wrap { (AVAIL, BOTH) } else { (USED, 0) };
        Self {
            offset,
            available_flags,
            used_flags,
            end,
        }
    }

    /// Returns where in the ring the descriptor is, in bytes.
    #[inline]
    pub(super) const fn offset(&self) -> u32 {
        self.offset
    }

    /// Returns the flags that make a descriptor here available, as its last word has them.
    #[inline]
    pub(super) const fn available_flags(&self) -> u32 {
        self.available_flags
    }

    const fn wrap(&self) -> bool {
        self.used_flags == BOTH
    }

    /// Goes on by `descriptors`, at most as many as the ring has.
    #[inline]
    pub(super) const fn advance(&mut self, descriptors: u16) {
        let next = self.offset.wrapping_add(bytes_of(descriptors));
        self.offset = next;
        if next >= self.end {
            self.begin_lap(next.wrapping_sub(self.end));
        }
    }

    /// Goes on by one descriptor.
    #[inline]
    pub(super) const fn advance_by_one(&mut self) {
        let next = self.offset.wrapping_add(DESCRIPTOR_BYTES);
        self.offset = next;
        if next >= self.end {
            core::hint::cold_path();
            self.begin_lap(0);
        }
    }

    /// Goes on to there in the next lap.
    #[inline]
    const fn begin_lap(&mut self, offset: u32) {
        self.offset = offset;
        self.available_flags ^= AVAIL | USED;
        self.used_flags ^= BOTH;
    }

    /// Returns the position so many descriptors further on, at most as many as the ring has.
    pub(super) const fn ahead(&self, descriptors: u16) -> Self {
        let mut position = *self;
        position.advance(descriptors);
        position
    }

    /// Goes on by `descriptors`, at most as many as the ring has, if that is not up to the end of the ring; says whether it did.
    #[inline]
    pub(super) const fn advance_in_lap(&mut self, descriptors: u16) -> bool {
        let next = self.offset.wrapping_add(bytes_of(descriptors));
        let is_in_lap = next < self.end;
        if is_in_lap {
            self.offset = next;
        }
        is_in_lap
    }

    /// Returns the position of a descriptor that is less than a lap before this one, by its offset.
    pub(super) const fn back_to(&self, offset: u32) -> Self {
        let wrap = if offset < self.offset {
            self.wrap()
        } else {
            !self.wrap()
        };
        Self::new(offset, wrap, self.end)
    }

    /// Returns index and wrap counter as the event suppression areas have them (§2.8.10).
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is below 32768")]
    pub(super) const fn off_wrap(&self) -> u16 {
        let index = (self.offset / DESCRIPTOR_BYTES) as u16;
        match self.wrap() {
            true => index | WRAP,
            false => index,
        }
    }

    /// Says whether a descriptor here with these flags is used.
    #[inline]
    pub(super) const fn is_used(&self, flags: PackedFlags) -> bool {
        flags.bits() & BOTH == self.used_flags
    }

    /// Returns how many descriptors this position is after `off_wrap`, within two laps; `None` if there is no such position.
    pub(super) fn distance_from(&self, off_wrap: u16) -> Option<u32> {
        let offset = bytes_of(off_wrap & !WRAP);
        let other = Self::new(offset, off_wrap & WRAP != 0, self.end);
        if other.offset >= self.end {
            return None;
        }
        let two_laps = self.end.wrapping_mul(2);
        let distance = self
            .linear()
            .wrapping_add(two_laps)
            .wrapping_sub(other.linear());
        let distance = match distance.checked_sub(two_laps) {
            Some(rest) => rest,
            None => distance,
        };
        Some(distance / DESCRIPTOR_BYTES)
    }

    /// Returns where the position is within two laps, in bytes.
    fn linear(&self) -> u32 {
        let lap = match self.wrap() {
            true => 0,
            false => self.end,
        };
        self.offset.wrapping_add(lap)
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
    fn what_would_reach_the_end_of_the_ring_is_not_gone() {
        let size = QueueSize::new(5).unwrap();
        for (from, descriptors, to) in [
            (0, 4, Some(4)),
            (0, 5, None),
            (3, 1, Some(4)),
            (3, 2, None),
            (3, 5, None),
            (4, 1, None),
        ] {
            let start = Position::start(size).ahead(from);
            let mut position = start;
            let is_gone = position.advance_in_lap(descriptors);
            assert_eq!(is_gone, to.is_some(), "{from} and {descriptors}");
            let expected = to.map_or(start, |to| Position::start(size).ahead(to));
            assert_eq!(position, expected, "{from} and {descriptors}");
        }
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
        assert_eq!(position.available_flags(), 1 << 23);
        assert!(!position.is_used(flags(0)));
        assert!(!position.is_used(flags(1 << 7)));
        assert!(position.is_used(flags(1 << 7 | 1 << 15)));
        position.advance(1);
        assert_eq!(position.available_flags(), 1 << 31);
        assert!(!position.is_used(flags(1 << 15)));
        assert!(position.is_used(flags(0)));
    }
}
