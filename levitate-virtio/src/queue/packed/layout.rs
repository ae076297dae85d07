//! What a packed virtqueue looks like in memory (§2.8): wire types, and where its parts lie.

use core::mem::{align_of, offset_of, size_of};

use static_assertions::{assert_impl_all, const_assert, const_assert_eq};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::queue::QueueSize;
use crate::queue::layout::DescriptorFlags;
use crate::queue::ring::Plan;

bitflags::bitflags! {
    /// `flags` of a [`PackedDescriptor`]; the first three are those of a split ring's (§2.8.13).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PackedFlags: u16 {
        /// The chain goes on with the next descriptor.
        const NEXT = 1;
        /// The buffer is device-writable; in a used descriptor: the device wrote to it.
        const WRITE = 2;
        /// The buffer is a table of descriptors.
        const INDIRECT = 4;
        /// The driver's wrap counter when the descriptor was made available, and the device's when it is used.
        const AVAIL = 1 << 7;
        /// The inverse of the driver's wrap counter in an available descriptor, the device's in a used one.
        const USED = 1 << 15;
    }
}

const_assert_eq!(PackedFlags::NEXT.bits(), DescriptorFlags::NEXT.bits());
const_assert_eq!(PackedFlags::WRITE.bits(), DescriptorFlags::WRITE.bits());
const_assert_eq!(
    PackedFlags::INDIRECT.bits(),
    DescriptorFlags::INDIRECT.bits()
);

/// One entry of the descriptor ring, or of an indirect table (§2.8.13).
#[doc(alias = "pvirtq_desc")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(16))]
pub struct PackedDescriptor {
    /// Where the buffer starts, as the device addresses it.
    pub addr: U64,
    /// Length of the buffer in bytes; in a used descriptor: how many bytes the device wrote.
    pub len: U32,
    /// Which chain it is.
    pub id: U16,
    /// Bits of [`PackedFlags`].
    pub flags: U16,
}

const_assert_eq!(size_of::<PackedDescriptor>(), 16);
const_assert_eq!(align_of::<PackedDescriptor>(), DESCRIPTOR_RING_ALIGN);
const_assert_eq!(offset_of!(PackedDescriptor, addr), 0);
const_assert_eq!(offset_of!(PackedDescriptor, len), LEN);
const_assert_eq!(offset_of!(PackedDescriptor, id), ID);
const_assert_eq!(offset_of!(PackedDescriptor, flags), FLAGS);
assert_impl_all!(PackedDescriptor: FromBytes, IntoBytes, Send, Sync);

/// What one side wants to be notified of (§2.8.14).
#[doc(alias = "pvirtq_event_suppress")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4))]
pub struct EventSuppression {
    /// Offset of a descriptor in bits 0 to 14, the wrap counter in bit 15.
    pub off_wrap: U16,
    /// Bits 0 and 1: which events; the others are 0.
    pub flags: U16,
}

const_assert_eq!(size_of::<EventSuppression>(), 4);
const_assert_eq!(align_of::<EventSuppression>(), EVENT_SUPPRESSION_ALIGN);
const_assert_eq!(offset_of!(EventSuppression, off_wrap), 0);
const_assert_eq!(offset_of!(EventSuppression, flags), 2);

/// Which events one side wants to be notified of (§2.8.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// Of each.
    #[doc(alias = "RING_EVENT_FLAGS_ENABLE")]
    Each,
    /// Of none.
    #[doc(alias = "RING_EVENT_FLAGS_DISABLE")]
    None,
    /// Of that at `off_wrap`; only with VIRTIO_F_EVENT_IDX.
    #[doc(alias = "RING_EVENT_FLAGS_DESC")]
    At,
    /// Reserved.
    Reserved,
}

impl Events {
    /// Takes bits 0 and 1 of `flags`.
    #[must_use]
    pub const fn new(flags: u16) -> Self {
        match flags & 3 {
            0 => Self::Each,
            1 => Self::None,
            2 => Self::At,
            _ => Self::Reserved,
        }
    }

    /// Returns the number in `flags`.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Each => 0,
            Self::None => 1,
            Self::At => 2,
            Self::Reserved => 3,
        }
    }
}

/// Alignment of the descriptor ring (§2.8.11).
pub const DESCRIPTOR_RING_ALIGN: usize = 16;
/// Alignment of either event suppression area (§2.8.11).
pub const EVENT_SUPPRESSION_ALIGN: usize = 4;

/// Offset of `len` in a descriptor.
pub(super) const LEN: usize = 8;
/// Offset of `id` in a descriptor.
pub(super) const ID: usize = 12;
/// Offset of `flags` in a descriptor.
pub(super) const FLAGS: usize = 14;

/// Offset of `flags` in an event suppression area.
pub(super) const EVENT_FLAGS: usize = offset_of!(EventSuppression, flags);

/// The areas of each side are on a cache line of its own: one is written while the other is read.
const LINE_BYTES: usize = 64;
const_assert!(LINE_BYTES.is_multiple_of(EVENT_SUPPRESSION_ALIGN));

/// Where the parts of a packed virtqueue lie in one block of memory; the descriptor ring is at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedBlock {
    /// Offset of the driver event suppression area.
    pub driver_event: usize,
    /// Offset of the device event suppression area.
    pub device_event: usize,
}

impl PackedBlock {
    /// Returns the layout for a ring of this size.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "a size is at most 32768, so every number here is below 2^20"
    )]
    #[must_use]
    pub const fn new(size: QueueSize) -> Self {
        let ring_bytes = size.as_usize() * size_of::<PackedDescriptor>();
        let driver_event = ring_bytes.next_multiple_of(LINE_BYTES);
        Self {
            driver_event,
            device_event: driver_event + LINE_BYTES,
        }
    }

    /// Returns the offset of the descriptor at `index`.
    #[inline]
    #[must_use]
    pub const fn descriptor(index: usize) -> usize {
        index.wrapping_mul(size_of::<PackedDescriptor>())
    }
}

impl Plan for PackedBlock {
    fn len_bytes(&self) -> usize {
        self.device_event
            .wrapping_add(size_of::<EventSuppression>())
    }

    #[cfg(all(test, loom))]
    fn fields(&self) -> std::vec::Vec<usize> {
        let descriptors = (0..self.driver_event / 16).map(|index| 16 * index);
        let mut fields: std::vec::Vec<_> =
            descriptors.flat_map(|at| [at, at + LEN, at + ID]).collect();
        fields.extend([self.driver_event, self.device_event]);
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_little_endian_on_every_host() {
        let descriptor = PackedDescriptor {
            addr: 0x1122.into(),
            len: 512.into(),
            id: 7.into(),
            flags: 0x8002.into(),
        };
        assert_eq!(
            descriptor.as_bytes(),
            [0x22, 0x11, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 7, 0, 2, 0x80]
        );
    }

    #[test]
    fn the_areas_do_not_overlap_and_are_aligned() {
        for size in [1, 2, 3, 5, 100, 256, 32767, 32768] {
            let size = QueueSize::new(size).unwrap();
            let block = PackedBlock::new(size);
            assert!(block.driver_event >= 16 * size.as_usize());
            assert!(block.device_event >= block.driver_event + 4);
            assert_eq!(block.len_bytes(), block.device_event + 4);
            assert!(block.driver_event.is_multiple_of(4));
            assert!(block.device_event.is_multiple_of(4));
        }
    }

    #[test]
    fn events_are_numbered_as_the_specification_has_them() {
        for number in 0..4 {
            assert_eq!(Events::new(number).number(), number);
            assert_eq!(Events::new(number | 0xfffc).number(), number);
        }
        assert_eq!(Events::new(2), Events::At);
        assert_eq!(Events::new(1), Events::None);
    }
}
