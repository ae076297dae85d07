//! What an ITS says about itself, `GITS_TYPER`: [`Kind`].

use levitate_hal::Mmio;

use crate::platform::Registers;

/// Where the register is.
const TYPE: usize = 0x008;

/// What an ITS can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind(u64);

impl Kind {
    /// Asks the ITS.
    pub(super) fn read(registers: &Registers) -> Self {
        Self(registers.read64(TYPE))
    }

    /// Returns the length of what a table has for each event.
    pub(super) const fn event_entry_bytes(self) -> usize {
        (self.0 >> 4 & 0xf) as usize + 1
    }

    /// Returns how many bits the number of an event can have.
    pub(super) const fn event_bits(self) -> u32 {
        (self.0 >> 8 & 0x1f) as u32 + 1
    }

    /// Returns how many device ids there are.
    pub(super) const fn devices(self) -> u64 {
        1 << ((self.0 >> 13 & 0x1f) + 1)
    }

    /// Says whether a command has a redistributor's address for it; else it has its number.
    pub(super) const fn names_by_address(self) -> bool {
        self.0 >> 19 & 1 != 0
    }
}
