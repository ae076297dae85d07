//! A place in a ring together with the lap it belongs to: [`Position`] (§2.8.1).

/// A descriptor, and the value of the wrap counter with which it is made available and used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Its place in the ring.
    pub(super) slot: u16,
    /// The wrap counter.
    pub(super) wrap: bool,
}

impl Position {
    /// Where device and driver begin.
    pub(super) const START: Self = Self {
        slot: 0,
        wrap: true,
    };

    /// Returns the position so many descriptors ahead in a ring of `size`.
    pub(super) fn ahead(self, by: u16, size: u16) -> Self {
        let (end, size) = (u32::from(self.slot) + u32::from(by), u32::from(size));
        Self {
            slot: (end % size) as u16,
            wrap: self.wrap ^ !(end / size).is_multiple_of(2),
        }
    }

    /// Returns how many descriptors it is from here to `other`, which is less than two laps ahead.
    pub(super) fn distance_to(self, other: Self, size: u16) -> u32 {
        let size = u32::from(size);
        let along = |position: Self| u32::from(position.slot) + u32::from(!position.wrap) * size;
        (along(other) + 2 * size - along(self)) % (2 * size)
    }

    /// As it is in the event suppression structures and in notifications: an offset of 15 bits and the wrap counter.
    pub(super) fn to_bits(self) -> u16 {
        self.slot | u16::from(self.wrap) << 15
    }

    pub(super) const fn from_bits(bits: u16) -> Self {
        Self {
            slot: bits & 0x7fff,
            wrap: bits & 0x8000 != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(slot: u16, wrap: bool) -> Position {
        Position { slot, wrap }
    }

    #[test]
    fn the_counter_changes_where_the_ring_ends() {
        assert_eq!(Position::START.ahead(2, 3), at(2, true));
        assert_eq!(Position::START.ahead(3, 3), at(0, false));
        assert_eq!(at(2, false).ahead(1, 3), at(0, true));
        assert_eq!(at(2, true).ahead(3, 3), at(2, false));
        assert_eq!(at(32767, true).ahead(32768, 32768), at(32767, false));
        assert_eq!(at(0, true).ahead(2, 1), at(0, true));
    }

    #[test]
    fn distances_go_round_twice() {
        for size in [1, 2, 3, 7, 32768] {
            for wrap in [false, true] {
                for by in [0, 1, size / 2, size] {
                    let from = at(size - 1, wrap);
                    assert_eq!(from.distance_to(from.ahead(by, size), size), u32::from(by));
                }
            }
        }
        assert_eq!(at(1, true).distance_to(at(0, true), 3), 5);
    }

    #[test]
    fn the_counter_is_the_upper_bit() {
        assert_eq!(at(5, true).to_bits(), 0x8005);
        assert_eq!(at(0x7fff, false).to_bits(), 0x7fff);
        assert_eq!(Position::from_bits(0x8005), at(5, true));
    }
}
