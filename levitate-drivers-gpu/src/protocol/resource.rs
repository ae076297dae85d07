//! Resources: images on the device, and the memory behind them (§5.7.6.8).

use core::mem::{align_of, offset_of, size_of};

use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{CommandType, FORMAT_B8G8R8X8_UNORM, Header, command};

/// RESOURCE_CREATE_2D.
#[doc(alias = "virtio_gpu_resource_create_2d")]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct ResourceCreate2d {
    pub(crate) header: Header,
    /// Not 0.
    pub(crate) resource_id: U32,
    pub(crate) format: U32,
    pub(crate) width: U32,
    pub(crate) height: U32,
}

const_assert_eq!(size_of::<ResourceCreate2d>(), 40);
const_assert_eq!(align_of::<ResourceCreate2d>(), 8);
const_assert_eq!(offset_of!(ResourceCreate2d, header), 0);
const_assert_eq!(offset_of!(ResourceCreate2d, resource_id), 24);
const_assert_eq!(offset_of!(ResourceCreate2d, format), 28);
const_assert_eq!(offset_of!(ResourceCreate2d, width), 32);
const_assert_eq!(offset_of!(ResourceCreate2d, height), 36);

command!(ResourceCreate2d, ResourceCreate2d);

impl ResourceCreate2d {
    /// Creates a B8G8R8X8 resource.
    pub(crate) fn new(resource_id: u32, width: u32, height: u32) -> Self {
        Self {
            header: Header::new(CommandType::ResourceCreate2d),
            resource_id: resource_id.into(),
            format: FORMAT_B8G8R8X8_UNORM.into(),
            width: width.into(),
            height: height.into(),
        }
    }
}

/// RESOURCE_UNREF.
#[doc(alias = "virtio_gpu_resource_unref")]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct ResourceUnref {
    pub(crate) header: Header,
    pub(crate) resource_id: U32,
    pub(crate) padding: U32,
}

const_assert_eq!(size_of::<ResourceUnref>(), 32);
const_assert_eq!(align_of::<ResourceUnref>(), 8);
const_assert_eq!(offset_of!(ResourceUnref, header), 0);
const_assert_eq!(offset_of!(ResourceUnref, resource_id), 24);
const_assert_eq!(offset_of!(ResourceUnref, padding), 28);

command!(ResourceUnref, ResourceUnref);

impl ResourceUnref {
    pub(crate) fn new(resource_id: u32) -> Self {
        Self {
            header: Header::new(CommandType::ResourceUnref),
            resource_id: resource_id.into(),
            padding: U32::ZERO,
        }
    }
}

/// RESOURCE_ATTACH_BACKING; `nr_entries` [`MemEntry`]s follow.
#[doc(alias = "virtio_gpu_resource_attach_backing")]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct ResourceAttachBacking {
    pub(crate) header: Header,
    pub(crate) resource_id: U32,
    pub(crate) nr_entries: U32,
}

const_assert_eq!(size_of::<ResourceAttachBacking>(), 32);
const_assert_eq!(align_of::<ResourceAttachBacking>(), 8);
const_assert_eq!(offset_of!(ResourceAttachBacking, header), 0);
const_assert_eq!(offset_of!(ResourceAttachBacking, resource_id), 24);
const_assert_eq!(offset_of!(ResourceAttachBacking, nr_entries), 28);

command!(ResourceAttachBacking, ResourceAttachBacking);

impl ResourceAttachBacking {
    pub(crate) fn new(resource_id: u32, nr_entries: u32) -> Self {
        Self {
            header: Header::new(CommandType::ResourceAttachBacking),
            resource_id: resource_id.into(),
            nr_entries: nr_entries.into(),
        }
    }
}

/// One piece of backing memory.
#[doc(alias = "virtio_gpu_mem_entry")]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct MemEntry {
    pub(crate) addr: U64,
    /// In bytes.
    pub(crate) length: U32,
    pub(crate) padding: U32,
}

const_assert_eq!(size_of::<MemEntry>(), 16);
const_assert_eq!(align_of::<MemEntry>(), 8);
const_assert_eq!(offset_of!(MemEntry, addr), 0);
const_assert_eq!(offset_of!(MemEntry, length), 8);
const_assert_eq!(offset_of!(MemEntry, padding), 12);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_created_by_the_bytes_of_the_specification() {
        let mut bytes = [0; 40];
        bytes[..2].copy_from_slice(&[0x01, 0x01]);
        bytes[24..].copy_from_slice(&[
            0x44, 0x33, 0x22, 0x11, 2, 0, 0, 0, 0, 5, 0, 0, 0x20, 3, 0, 0,
        ]);
        let command = ResourceCreate2d::new(0x1122_3344, 1280, 800);
        assert_eq!(command.as_bytes(), bytes);
    }

    #[test]
    fn a_resource_is_destroyed_by_the_bytes_of_the_specification() {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&[0x02, 0x01]);
        bytes[24] = 7;
        assert_eq!(ResourceUnref::new(7).as_bytes(), bytes);
    }

    #[test]
    fn backing_is_attached_by_the_bytes_of_the_specification() {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&[0x06, 0x01]);
        bytes[24..].copy_from_slice(&[7, 0, 0, 0, 0x34, 0x12, 0, 0]);
        assert_eq!(ResourceAttachBacking::new(7, 0x1234).as_bytes(), bytes);
        let entry = MemEntry {
            addr: 0x1122_3344_5566_7788.into(),
            length: 0x99aa_bbcc.into(),
            padding: U32::ZERO,
        };
        assert_eq!(
            entry.as_bytes(),
            [
                0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xcc, 0xbb, 0xaa, 0x99, 0, 0, 0, 0
            ]
        );
    }
}
