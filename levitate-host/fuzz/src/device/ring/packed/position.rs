//! A place in a packed ring ([`Position`], §2.8.1).

/// A place in the ring, and the wrap counter there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) index: u16,
    pub(crate) wrap: bool,
}

impl Position {
    pub(crate) const START: Self = Self {
        index: 0,
        wrap: true,
    };

    /// Goes on by `count` descriptors of a ring of `size`.
    pub(crate) fn advance(&mut self, count: u16, size: u16) {
        let next = u32::from(self.index) + u32::from(count);
        let laps = next / u32::from(size);
        self.index = (next % u32::from(size)) as u16;
        self.wrap ^= laps % 2 == 1;
    }

    pub(super) fn off_wrap(self) -> u16 {
        self.index | u16::from(self.wrap) << 15
    }
}
