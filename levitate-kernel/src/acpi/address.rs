//! How tables say where a register is: [`GenericAddress`] (5.2.3.2).

use static_assertions::const_assert_eq;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Where a register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// In memory.
    Memory(u64),
    /// An I/O port.
    Port(u16),
}

/// Where a register is, in a table.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct GenericAddress {
    space: u8,
    bit_width: u8,
    bit_offset: u8,
    access_size: u8,
    address: U64,
}

const_assert_eq!(size_of::<GenericAddress>(), 12);

impl GenericAddress {
    const MEMORY: u8 = 0;
    const PORT: u8 = 1;

    /// Returns the register; `None` if there is none, or one in a space that the kernel cannot reach.
    pub(super) fn register(self) -> Option<Register> {
        match (self.space, self.address.get()) {
            (_, 0) => None,
            (Self::MEMORY, address) => Some(Register::Memory(address)),
            (Self::PORT, port) => u16::try_from(port).ok().map(Register::Port),
            _ => None,
        }
    }
}
