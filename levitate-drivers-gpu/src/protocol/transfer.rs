//! Pixels on their way: from backing memory into a resource, and from there to the eye (§5.7.6.8).

use core::mem::{align_of, offset_of, size_of};

use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::display::Rect;
use super::{CommandType, Header, command};

/// TRANSFER_TO_HOST_2D.
#[doc(alias = "virtio_gpu_transfer_to_host_2d")]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct TransferToHost2d {
    pub(crate) header: Header,
    /// Which part of the resource is written.
    pub(crate) rect: Rect,
    /// Where in the backing memory the first pixel of `rect` is, in bytes.
    pub(crate) offset: U64,
    pub(crate) resource_id: U32,
    pub(crate) padding: U32,
}

const_assert_eq!(size_of::<TransferToHost2d>(), 56);
const_assert_eq!(align_of::<TransferToHost2d>(), 8);
const_assert_eq!(offset_of!(TransferToHost2d, header), 0);
const_assert_eq!(offset_of!(TransferToHost2d, rect), 24);
const_assert_eq!(offset_of!(TransferToHost2d, offset), 40);
const_assert_eq!(offset_of!(TransferToHost2d, resource_id), 48);
const_assert_eq!(offset_of!(TransferToHost2d, padding), 52);

command!(TransferToHost2d, TransferToHost2d);

impl TransferToHost2d {
    pub(crate) fn new(resource_id: u32, rect: Rect, offset: u64) -> Self {
        Self {
            header: Header::new(CommandType::TransferToHost2d),
            rect,
            offset: offset.into(),
            resource_id: resource_id.into(),
            padding: U32::ZERO,
        }
    }
}

/// RESOURCE_FLUSH.
#[doc(alias = "virtio_gpu_resource_flush")]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct ResourceFlush {
    pub(crate) header: Header,
    pub(crate) rect: Rect,
    pub(crate) resource_id: U32,
    pub(crate) padding: U32,
}

const_assert_eq!(size_of::<ResourceFlush>(), 48);
const_assert_eq!(align_of::<ResourceFlush>(), 8);
const_assert_eq!(offset_of!(ResourceFlush, header), 0);
const_assert_eq!(offset_of!(ResourceFlush, rect), 24);
const_assert_eq!(offset_of!(ResourceFlush, resource_id), 40);
const_assert_eq!(offset_of!(ResourceFlush, padding), 44);

command!(ResourceFlush, ResourceFlush);

impl ResourceFlush {
    pub(crate) fn new(resource_id: u32, rect: Rect) -> Self {
        Self {
            header: Header::new(CommandType::ResourceFlush),
            rect,
            resource_id: resource_id.into(),
            padding: U32::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect() -> Rect {
        Rect {
            x: 1.into(),
            y: 2.into(),
            width: 3.into(),
            height: 0x400.into(),
        }
    }

    #[test]
    fn a_transfer_has_the_bytes_of_the_specification() {
        let mut bytes = [0; 56];
        bytes[..2].copy_from_slice(&[0x05, 0x01]);
        bytes[24..40].copy_from_slice(&[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 4, 0, 0]);
        bytes[40..48].copy_from_slice(&[0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
        bytes[48] = 9;
        let command = TransferToHost2d::new(9, rect(), 0x1122_3344_5566_7788);
        assert_eq!(command.as_bytes(), bytes);
    }

    #[test]
    fn a_flush_has_the_bytes_of_the_specification() {
        let mut bytes = [0; 48];
        bytes[..2].copy_from_slice(&[0x04, 0x01]);
        bytes[24..40].copy_from_slice(&[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 4, 0, 0]);
        bytes[40] = 9;
        assert_eq!(ResourceFlush::new(9, rect()).as_bytes(), bytes);
    }
}
