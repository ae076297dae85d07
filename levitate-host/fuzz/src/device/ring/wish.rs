//! When the driver wants to be notified of used buffers, as its part of the ring says ([`Wish`], §2.7.6, §2.7.10, §2.8.10).

use levitate_host::dma::DeviceMemory;

use super::packed::Position;
use super::{Ring, word};

/// When the device shall notify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Never,
    /// With each used buffer.
    Each,
    /// With the one of this index in a split ring.
    AtIndex(u16),
    /// With the one that takes this place in a packed ring.
    AtPosition(Position),
}

impl Ring {
    /// Reads what the driver wishes now.
    pub(crate) fn wish(&self, memory: &DeviceMemory) -> Wish {
        if self.packed.is_none() {
            return match (self.has_event_index, word(memory, self.available) & 1) {
                (true, _) => {
                    let at = self.available + 4 + 2 * u64::from(self.size);
                    Wish::AtIndex(word(memory, at))
                }
                (false, 0) => Wish::Each,
                (false, _) => Wish::Never,
            };
        }
        let off_wrap = word(memory, self.available);
        match word(memory, self.available + 2) & 3 {
            0 => Wish::Each,
            2 => Wish::AtPosition(Position {
                index: off_wrap & 0x7fff,
                wrap: off_wrap & 1 << 15 != 0,
            }),
            _ => Wish::Never,
        }
    }
}
