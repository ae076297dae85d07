//! A descriptor of the ring, and what its flags say (§2.8.13): [`Descriptor`].

/// Bytes of a descriptor.
pub(super) const DESCRIPTOR_LEN: usize = 16;
/// Where a descriptor has its flags.
pub(super) const FLAGS_OFFSET: u64 = 14;
/// Where it has length and buffer ID.
pub(super) const LEN_OFFSET: u64 = 8;

pub(super) const NEXT: u16 = 1;
pub(super) const WRITE: u16 = 2;
pub(super) const INDIRECT: u16 = 4;
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
        let [
            a0,
            a1,
            a2,
            a3,
            a4,
            a5,
            a6,
            a7,
            l0,
            l1,
            l2,
            l3,
            i0,
            i1,
            f0,
            f1,
        ] = bytes;
        Self {
            addr: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            len_bytes: u32::from_le_bytes([l0, l1, l2, l3]),
            id: u16::from_le_bytes([i0, i1]),
            flags: u16::from_le_bytes([f0, f1]),
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
