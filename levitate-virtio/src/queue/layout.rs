//! What a split virtqueue looks like in memory (§2.7): wire types, and offsets of the parts that are as long as the queue.

use core::mem::{align_of, offset_of, size_of};

use static_assertions::{assert_impl_all, const_assert, const_assert_eq};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ring::Plan;
use super::size::QueueSize;

bitflags::bitflags! {
    /// `flags` of a [`Descriptor`] (§2.7.5).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DescriptorFlags: u16 {
        /// The chain goes on at `next`.
        const NEXT = 1;
        /// The buffer is device-writable; else it is device-readable.
        const WRITE = 2;
        /// The buffer is a table of descriptors.
        const INDIRECT = 4;
    }
}

/// One entry of the descriptor table, or of an indirect table: a buffer, and which side writes it (§2.7.5).
#[doc(alias = "virtq_desc")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(16))]
pub struct Descriptor {
    /// Where the buffer starts, as the device addresses it.
    pub addr: U64,
    /// Length of the buffer in bytes.
    pub len: U32,
    /// Bits of [`DescriptorFlags`].
    pub flags: U16,
    /// Index of the chain's next descriptor; read only if `flags` has `NEXT`.
    pub next: U16,
}

const_assert_eq!(size_of::<Descriptor>(), 16);
const_assert_eq!(align_of::<Descriptor>(), DESCRIPTOR_TABLE_ALIGN);
const_assert_eq!(offset_of!(Descriptor, addr), 0);
const_assert_eq!(offset_of!(Descriptor, len), 8);
const_assert_eq!(offset_of!(Descriptor, flags), 12);
const_assert_eq!(offset_of!(Descriptor, next), 14);
assert_impl_all!(Descriptor: FromBytes, IntoBytes, Send, Sync);

/// The fixed part of the available ring; `ring` and `used_event` follow (§2.7.6).
#[doc(alias = "virtq_avail")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(2))]
pub struct AvailableHeader {
    /// Bit 0 asks the device for no used buffer notifications; 0 with EVENT_IDX.
    pub flags: U16,
    /// Where the driver puts the next entry, counted without end.
    pub idx: U16,
}

const_assert_eq!(size_of::<AvailableHeader>(), 4);
const_assert_eq!(align_of::<AvailableHeader>(), AVAILABLE_RING_ALIGN);
const_assert_eq!(offset_of!(AvailableHeader, flags), AVAILABLE_FLAGS);
const_assert_eq!(offset_of!(AvailableHeader, idx), AVAILABLE_IDX);

/// The fixed part of the used ring; `ring` and `avail_event` follow (§2.7.8).
#[doc(alias = "virtq_used")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4))]
pub struct UsedHeader {
    /// Bit 0 asks the driver for no available buffer notifications; without meaning with EVENT_IDX.
    pub flags: U16,
    /// Where the device puts the next entry, counted without end.
    pub idx: U16,
}

const_assert_eq!(size_of::<UsedHeader>(), 4);
const_assert_eq!(align_of::<UsedHeader>(), USED_RING_ALIGN);
const_assert_eq!(offset_of!(UsedHeader, flags), USED_FLAGS);
const_assert_eq!(offset_of!(UsedHeader, idx), USED_IDX);

/// One entry of the used ring: a chain the device is done with (§2.7.8).
#[doc(alias = "virtq_used_elem")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4))]
pub struct UsedElement {
    /// Index of the chain's first descriptor.
    pub id: U32,
    /// Bytes the device wrote, from the first device-writable one on.
    pub len: U32,
}

const_assert_eq!(size_of::<UsedElement>(), 8);
const_assert_eq!(align_of::<UsedElement>(), 4);
const_assert_eq!(offset_of!(UsedElement, id), 0);
const_assert_eq!(offset_of!(UsedElement, len), 4);

/// Length of a descriptor, and of an entry of an indirect table, in either format.
pub(super) const DESCRIPTOR_BYTES: u32 = 16;
const_assert_eq!(DESCRIPTOR_BYTES as usize, size_of::<Descriptor>());

/// Alignment of the descriptor table (§2.7).
pub const DESCRIPTOR_TABLE_ALIGN: usize = 16;
/// Alignment of the available ring (§2.7).
pub const AVAILABLE_RING_ALIGN: usize = 2;
/// Alignment of the used ring (§2.7).
pub const USED_RING_ALIGN: usize = 4;

/// Page size and queue alignment of the one-block layout, as this crate tells a legacy device (§4.2.4).
pub const LEGACY_ALIGN: usize = 4096;

/// Offset of `flags` in the available ring.
pub const AVAILABLE_FLAGS: usize = 0;
/// Offset of `idx` in the available ring.
pub const AVAILABLE_IDX: usize = 2;
/// Offset of `ring` in the available ring.
pub const AVAILABLE_RING: usize = 4;
/// Offset of `flags` in the used ring.
pub const USED_FLAGS: usize = 0;
/// Offset of `idx` in the used ring.
pub const USED_IDX: usize = 2;
/// Offset of `ring` in the used ring.
pub const USED_RING: usize = 4;

/// Bit 0 of the flags of either ring: no notifications, please.
pub const NO_NOTIFICATION: u16 = 1;

#[expect(
    clippy::arithmetic_side_effects,
    reason = "a size is at most 32768, so every number here is below 2^20"
)]
impl QueueSize {
    /// Returns the length of the descriptor table in bytes: 16 N.
    #[must_use]
    pub const fn descriptor_table_bytes(self) -> usize {
        size_of::<Descriptor>() * self.as_usize()
    }

    /// Returns the length of the available ring in bytes, with `used_event`: 6 + 2 N.
    #[must_use]
    pub const fn available_ring_bytes(self) -> usize {
        self.used_event_offset() + 2
    }

    /// Returns the length of the used ring in bytes, with `avail_event`: 6 + 8 N.
    #[must_use]
    pub const fn used_ring_bytes(self) -> usize {
        self.avail_event_offset() + 2
    }

    /// Returns where `used_event` is in the available ring: 4 + 2 N.
    #[must_use]
    pub const fn used_event_offset(self) -> usize {
        AVAILABLE_RING + 2 * self.as_usize()
    }

    /// Returns where `avail_event` is in the used ring: 4 + 8 N.
    #[must_use]
    pub const fn avail_event_offset(self) -> usize {
        USED_RING + size_of::<UsedElement>() * self.as_usize()
    }
}

/// Where the parts of a virtqueue begin, in one block of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Offset of the descriptor table: 0.
    pub descriptor_table: usize,
    /// Offset of the available ring.
    pub available_ring: usize,
    /// Offset of the used ring.
    pub used_ring: usize,
    /// Length of the block.
    pub len_bytes: usize,
}

/// Returns the one-block layout with a used ring aligned to `align_bytes`, a power of two (§2.7.2).
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a size is at most 32768 and an alignment a page, so every number here is below 2^21"
)]
#[must_use]
pub const fn block(size: QueueSize, align_bytes: usize) -> Block {
    let available_ring = size.descriptor_table_bytes();
    let used_ring = (available_ring + size.available_ring_bytes()).next_multiple_of(align_bytes);
    let len_bytes = used_ring + size.used_ring_bytes().next_multiple_of(align_bytes);
    Block {
        descriptor_table: 0,
        available_ring,
        used_ring,
        len_bytes,
    }
}

// Every part is aligned for the interface that places it anywhere, also in the one-block layout.
const_assert!(DESCRIPTOR_TABLE_ALIGN.is_multiple_of(AVAILABLE_RING_ALIGN));
const_assert!(
    block(QueueSize::MAX, USED_RING_ALIGN)
        .used_ring
        .is_multiple_of(USED_RING_ALIGN)
);
const_assert_eq!(block(QueueSize::MAX, 4096).len_bytes, 860_160);

impl Plan for Block {
    fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    #[cfg(all(test, loom))]
    fn fields(&self) -> std::vec::Vec<usize> {
        let size = self.available_ring / 16;
        // Address, length, and flags with the link.
        let descriptors = (0..size).flat_map(|index| [0, 8, 12].map(|field| 16 * index + field));
        // Flags, index, the entries, used_event: all of two bytes.
        let available = (0..3 + size).map(|field| self.available_ring + 2 * field);
        let used = [0, 2].map(|field| self.used_ring + field);
        // Id and length of each entry, then avail_event.
        let entries = (0..=2 * size).map(|half| self.used_ring + 4 + 4 * half);
        let fields = descriptors.chain(available).chain(used).chain(entries);
        fields.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_little_endian_on_every_host() {
        let descriptor = Descriptor {
            addr: 0x1122.into(),
            len: 512.into(),
            flags: 2.into(),
            next: 7.into(),
        };
        assert_eq!(
            descriptor.as_bytes(),
            [0x22, 0x11, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 2, 0, 7, 0]
        );
    }

    #[test]
    fn the_parts_are_as_long_as_the_specification_says() {
        for bits in 0..=15_u32 {
            let n = 1_usize << bits;
            let size = QueueSize::at_least(n).unwrap();
            assert_eq!(size.descriptor_table_bytes(), 16 * n);
            assert_eq!(size.available_ring_bytes(), 6 + 2 * n);
            assert_eq!(size.used_ring_bytes(), 6 + 8 * n);
            assert_eq!(size.used_event_offset(), 4 + 2 * n);
            assert_eq!(size.avail_event_offset(), 4 + 8 * n);
        }
    }

    /// Queue size, available ring at, used ring at, total: §2.7.2 with a queue alignment of 4096.
    const LEGACY: [(u16, usize, usize, usize); 15] = [
        (2, 32, 4096, 8192),
        (4, 64, 4096, 8192),
        (8, 128, 4096, 8192),
        (16, 256, 4096, 8192),
        (32, 512, 4096, 8192),
        (64, 1024, 4096, 8192),
        (128, 2048, 4096, 8192),
        (256, 4096, 8192, 12288),
        (512, 8192, 12288, 20480),
        (1024, 16384, 20480, 32768),
        (2048, 32768, 40960, 61440),
        (4096, 65536, 77824, 114_688),
        (8192, 131_072, 151_552, 221_184),
        (16384, 262_144, 299_008, 434_176),
        (32768, 524_288, 593_920, 860_160),
    ];

    #[test]
    fn the_legacy_block_is_laid_out_as_the_specification_says() {
        for (n, available_ring, used_ring, len_bytes) in LEGACY {
            let size = QueueSize::new(n).unwrap();
            let expected = Block {
                descriptor_table: 0,
                available_ring,
                used_ring,
                len_bytes,
            };
            assert_eq!(block(size, 4096), expected, "queue size {n}");
        }
    }

    #[test]
    fn where_qemu_looks_for_the_used_ring_is_where_it_lies() {
        // QEMU leaves `used_event` out of its formula: round_up(16n + 4 + 2n, align).
        for bits in 0..=15_u32 {
            let n = 1_usize << bits;
            let size = QueueSize::at_least(n).unwrap();
            assert_eq!(
                block(size, 4096).used_ring,
                (18 * n + 4).next_multiple_of(4096)
            );
        }
    }
}
