//! Numbers and layouts of the specification, as this program has read them there (§2.7, §2.8, §5.2.6).

use std::sync::atomic::AtomicU16;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::memory::Table;

/// Where `idx` is in the available and the used ring, in words of 16 bits, and where entries begin (§2.7.6, §2.7.8).
pub(crate) const INDEX: usize = 1;
pub(crate) const ENTRIES: usize = 2;

/// A descriptor of a split virtqueue (§2.7.5).
#[derive(Clone, Copy, Debug, Default, FromBytes)]
#[repr(C, align(16))]
pub(crate) struct Descriptor {
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) flags: u16,
    pub(crate) next: u16,
}

/// A descriptor of a packed virtqueue (§2.8.13).
#[derive(Clone, Copy, Debug, Default, FromBytes)]
#[repr(C, align(16))]
pub(crate) struct PackedDescriptor {
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) id: u16,
    pub(crate) flags: u16,
}

impl PackedDescriptor {
    /// Returns the flags of the descriptor at `index` of `ring`, to be accessed in order with other fields.
    ///
    /// # Safety
    ///
    /// The ring has such a descriptor.
    pub(crate) unsafe fn flags<'a>(ring: Table<Self>, index: usize) -> &'a AtomicU16 {
        /// They are the last of a descriptor's 16-bit words.
        const WORDS: usize = size_of::<PackedDescriptor>() / size_of::<u16>();
        // SAFETY: they are in the ring, as the caller says.
        unsafe { ring.cast::<u16>().atomic(index * WORDS + WORDS - 1) }
    }
}

/// An entry of the used ring (§2.7.8).
#[derive(Clone, Copy, Debug, Default, FromBytes)]
#[repr(C)]
pub(crate) struct UsedElement {
    pub(crate) id: u32,
    pub(crate) len: u32,
}

/// How a request to a block device begins, at whatever address (§5.2.6).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) kind: U32,
    pub(crate) reserved: U32,
    pub(crate) sector: U64,
}

/// `VIRTQ_DESC_F_NEXT`, `VIRTQ_DESC_F_WRITE`, `VIRTQ_DESC_F_INDIRECT`.
pub(crate) const NEXT: u16 = 1;
pub(crate) const WRITE: u16 = 2;
pub(crate) const INDIRECT: u16 = 4;

/// `VIRTQ_DESC_F_AVAIL` and `VIRTQ_DESC_F_USED` of a packed virtqueue (§2.8.1).
pub(crate) const AVAIL: u16 = 1 << 7;
pub(crate) const USED: u16 = 1 << 15;

/// `VIRTQ_USED_F_NO_NOTIFY` (§2.7.10); `RING_EVENT_FLAGS_DISABLE`, and `RING_EVENT_FLAGS_DESC` with the wrap counter of the place that is
/// meant (§2.8.10).
pub(crate) const NO_NOTIFY: u16 = 1;
pub(crate) const EVENT_DISABLE: u16 = 1;
pub(crate) const EVENT_AT: u16 = 2;
pub(crate) const WRAP: u16 = 1 << 15;

/// Feature bits (§6).
pub(crate) const F_INDIRECT_DESC: u64 = 1 << 28;
pub(crate) const F_EVENT_IDX: u64 = 1 << 29;
pub(crate) const F_VERSION_1: u64 = 1 << 32;
pub(crate) const F_RING_PACKED: u64 = 1 << 34;
pub(crate) const F_IN_ORDER: u64 = 1 << 35;

/// `VIRTIO_BLK_S_OK`, and what is no status at all (§5.2.6).
pub(crate) const STATUS_OK: u8 = 0;
pub(crate) const STATUS_UNWRITTEN: u8 = 0xff;

/// What every contender reads with a request.
pub(crate) const HEADER_BYTES: u32 = 16;
pub(crate) const DATA_BYTES: u32 = 4096;
pub(crate) const STATUS_BYTES: u32 = 1;
