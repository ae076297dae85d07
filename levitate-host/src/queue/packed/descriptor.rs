//! A descriptor of the ring, and what its flags say (§2.8.13): [`Descriptor`].

use super::super::descriptor::fields;
pub(super) use super::super::descriptor::{DESCRIPTOR_LEN, INDIRECT, NEXT, WRITE};

/// Where a descriptor has its flags.
pub(super) const FLAGS_OFFSET: u64 = 14;
/// Where it has length and buffer ID.
pub(super) const LEN_OFFSET: u64 = 8;

const AVAIL: u16 = 1 << 7;
const USED: u16 = 1 << 15;

#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    pub(super) addr: u64,
    pub(super) len_bytes: u32,
    pub(super) id: u16,
    pub(super) flags: u16,
}

impl From<[u8; DESCRIPTOR_LEN]> for Descriptor {
    fn from(bytes: [u8; DESCRIPTOR_LEN]) -> Self {
        let (addr, len_bytes, id, flags) = fields(bytes);
        Self {
            addr,
            len_bytes,
            id,
            flags,
        }
    }
}

/// Returns the two bits that say whose a descriptor is.
pub(super) const fn marks(flags: u16) -> u16 {
    flags & (AVAIL | USED)
}

/// Says whether a driver whose counter is `wrap` has made the descriptor available.
pub(super) const fn is_available(flags: u16, wrap: bool) -> bool {
    marks(flags) == if wrap { AVAIL } else { USED }
}

/// Returns the two bits by which a device whose counter is `wrap` marks a descriptor used.
pub(super) const fn used_marks(wrap: bool) -> u16 {
    if wrap { AVAIL | USED } else { 0 }
}
