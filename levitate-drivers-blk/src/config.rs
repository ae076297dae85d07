//! The configuration space of a block device: [`ConfigLayout`], and [`Config`] as it was read (§5.2.4).

use core::mem::{align_of, offset_of, size_of};

use levitate_virtio::{ConfigError, ConfigSpace, Transport};
use static_assertions::{assert_impl_all, const_assert_eq};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::features::BlkFeatures;
use crate::range::RangeConfig;

/// What the configuration space looks like (§5.2.4); every field but the first is there only with its feature.
///
/// It tells where the fields are: each is read by itself, and only if its feature was negotiated.
#[doc(alias = "virtio_blk_config")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub struct ConfigLayout {
    /// Length of the device in sectors of 512 bytes.
    pub capacity: U64,
    /// Most bytes in a segment, with `SIZE_MAX`.
    pub size_max: U32,
    /// Most segments in a request, with `SEG_MAX`.
    pub seg_max: U32,
    /// Shape of a disk of old, with `GEOMETRY`.
    pub geometry: GeometryLayout,
    /// Bytes in a block, with `BLK_SIZE`.
    pub blk_size: U32,
    /// How blocks lie on the medium, with `TOPOLOGY`.
    pub topology: TopologyLayout,
    /// Cache mode, with `CONFIG_WCE`.
    pub writeback: u8,
    /// Nothing.
    pub unused0: u8,
    /// Virtqueues, with `MQ`.
    pub num_queues: U16,
    /// With `DISCARD`.
    pub max_discard_sectors: U32,
    /// With `DISCARD`.
    pub max_discard_seg: U32,
    /// With `DISCARD`.
    pub discard_sector_alignment: U32,
    /// With `WRITE_ZEROES`.
    pub max_write_zeroes_sectors: U32,
    /// With `WRITE_ZEROES`.
    pub max_write_zeroes_seg: U32,
    /// With `WRITE_ZEROES`.
    pub write_zeroes_may_unmap: u8,
    /// Nothing.
    pub unused1: [u8; 3],
    /// With `SECURE_ERASE`.
    pub max_secure_erase_sectors: U32,
    /// With `SECURE_ERASE`.
    pub max_secure_erase_seg: U32,
    /// With `SECURE_ERASE`.
    pub secure_erase_sector_alignment: U32,
    /// With `ZONED`.
    pub zoned: ZonedLayout,
}

/// Part of [`ConfigLayout`].
#[doc(alias = "virtio_blk_geometry")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(2))]
pub struct GeometryLayout {
    /// Cylinders.
    pub cylinders: U16,
    /// Heads.
    pub heads: u8,
    /// Sectors in a track.
    pub sectors: u8,
}

/// Part of [`ConfigLayout`].
#[doc(alias = "virtio_blk_topology")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4))]
pub struct TopologyLayout {
    /// Logical blocks in a physical one, as a power of two.
    pub physical_block_exp: u8,
    /// Logical blocks to the first aligned one.
    pub alignment_offset: u8,
    /// Suggested smallest transfer in blocks.
    pub min_io_size: U16,
    /// Suggested transfer in blocks.
    pub opt_io_size: U32,
}

/// Part of [`ConfigLayout`].
#[doc(alias = "virtio_blk_zoned_characteristics")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4))]
pub struct ZonedLayout {
    /// Sectors in a zone.
    pub zone_sectors: U32,
    /// Most open zones.
    pub max_open_zones: U32,
    /// Most active zones.
    pub max_active_zones: U32,
    /// Most sectors in an append.
    pub max_append_sectors: U32,
    /// Bytes that writes are multiples of.
    pub write_granularity: U32,
    /// Zoned model.
    pub model: u8,
    /// Nothing.
    pub unused2: [u8; 3],
}

const_assert_eq!(size_of::<ConfigLayout>(), 96);
const_assert_eq!(align_of::<ConfigLayout>(), 8);
const_assert_eq!(offset_of!(ConfigLayout, capacity), 0);
const_assert_eq!(offset_of!(ConfigLayout, size_max), 8);
const_assert_eq!(offset_of!(ConfigLayout, seg_max), 12);
const_assert_eq!(offset_of!(ConfigLayout, geometry), 16);
const_assert_eq!(offset_of!(ConfigLayout, blk_size), 20);
const_assert_eq!(offset_of!(ConfigLayout, topology), 24);
const_assert_eq!(offset_of!(ConfigLayout, writeback), 32);
const_assert_eq!(offset_of!(ConfigLayout, unused0), 33);
const_assert_eq!(offset_of!(ConfigLayout, num_queues), 34);
const_assert_eq!(offset_of!(ConfigLayout, max_discard_sectors), 36);
const_assert_eq!(offset_of!(ConfigLayout, max_discard_seg), 40);
const_assert_eq!(offset_of!(ConfigLayout, discard_sector_alignment), 44);
const_assert_eq!(offset_of!(ConfigLayout, max_write_zeroes_sectors), 48);
const_assert_eq!(offset_of!(ConfigLayout, max_write_zeroes_seg), 52);
const_assert_eq!(offset_of!(ConfigLayout, write_zeroes_may_unmap), 56);
const_assert_eq!(offset_of!(ConfigLayout, unused1), 57);
const_assert_eq!(offset_of!(ConfigLayout, max_secure_erase_sectors), 60);
const_assert_eq!(offset_of!(ConfigLayout, max_secure_erase_seg), 64);
const_assert_eq!(offset_of!(ConfigLayout, secure_erase_sector_alignment), 68);
const_assert_eq!(offset_of!(ConfigLayout, zoned), 72);
assert_impl_all!(ConfigLayout: FromBytes, IntoBytes, Send, Sync);

const_assert_eq!(size_of::<GeometryLayout>(), 4);
const_assert_eq!(align_of::<GeometryLayout>(), 2);
const_assert_eq!(offset_of!(GeometryLayout, cylinders), 0);
const_assert_eq!(offset_of!(GeometryLayout, heads), 2);
const_assert_eq!(offset_of!(GeometryLayout, sectors), 3);

const_assert_eq!(size_of::<TopologyLayout>(), 8);
const_assert_eq!(align_of::<TopologyLayout>(), 4);
const_assert_eq!(offset_of!(TopologyLayout, physical_block_exp), 0);
const_assert_eq!(offset_of!(TopologyLayout, alignment_offset), 1);
const_assert_eq!(offset_of!(TopologyLayout, min_io_size), 2);
const_assert_eq!(offset_of!(TopologyLayout, opt_io_size), 4);

const_assert_eq!(size_of::<ZonedLayout>(), 24);
const_assert_eq!(align_of::<ZonedLayout>(), 4);
const_assert_eq!(offset_of!(ZonedLayout, zone_sectors), 0);
const_assert_eq!(offset_of!(ZonedLayout, max_open_zones), 4);
const_assert_eq!(offset_of!(ZonedLayout, max_active_zones), 8);
const_assert_eq!(offset_of!(ZonedLayout, max_append_sectors), 12);
const_assert_eq!(offset_of!(ZonedLayout, write_granularity), 16);
const_assert_eq!(offset_of!(ZonedLayout, model), 20);
const_assert_eq!(offset_of!(ZonedLayout, unused2), 21);

/// Where the cache mode is read and switched.
pub(crate) const WRITEBACK: usize = offset_of!(ConfigLayout, writeback);

/// What the device says of itself, unchecked; a field whose feature was not negotiated is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `capacity`, in sectors of 512 bytes.
    pub capacity_sectors: u64,
    /// `size_max`, in bytes.
    pub size_max: Option<u32>,
    /// `seg_max`.
    pub seg_max: Option<u32>,
    /// `blk_size`, in bytes.
    pub blk_size: Option<u32>,
    /// `writeback`: not zero if there is a cache.
    pub writeback: Option<u8>,
    /// `num_queues`.
    pub num_queues: Option<u16>,
    /// `max_discard_sectors`, `max_discard_seg` and `discard_sector_alignment`.
    pub discard: Option<RangeConfig>,
    /// `max_write_zeroes_sectors` and `max_write_zeroes_seg`.
    pub write_zeroes: Option<RangeConfig>,
    /// `write_zeroes_may_unmap`: not zero if zeroed sectors can be deallocated.
    pub write_zeroes_may_unmap: Option<u8>,
    /// `max_secure_erase_sectors`, `max_secure_erase_seg` and `secure_erase_sector_alignment`.
    pub secure_erase: Option<RangeConfig>,
}

impl Config {
    /// Reads the fields that `features` say are there, and no other (§2.5.1).
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooShort`] if one of them is outside the configuration space.
    pub fn read<T: Transport>(
        space: &ConfigSpace<'_, T>,
        features: BlkFeatures,
    ) -> Result<Self, ConfigError> {
        let optional = |feature, offset| match features.contains(feature) {
            true => space.read_u32(offset).map(Some),
            false => Ok(None),
        };
        let optional_u8 = |feature, offset| match features.contains(feature) {
            true => space.read_u8(offset).map(Some),
            false => Ok(None),
        };
        let range = |feature, [sectors, segments]: [usize; 2], alignment: Option<usize>| {
            if !features.contains(feature) {
                return Ok(None);
            }
            Ok(Some(RangeConfig {
                max_sectors: space.read_u32(sectors)?,
                max_segments: space.read_u32(segments)?,
                alignment_sectors: match alignment {
                    Some(offset) => space.read_u32(offset)?,
                    None => 0,
                },
            }))
        };
        Ok(Self {
            capacity_sectors: Self::read_capacity(space)?,
            size_max: optional(BlkFeatures::SIZE_MAX, offset_of!(ConfigLayout, size_max))?,
            seg_max: optional(BlkFeatures::SEG_MAX, offset_of!(ConfigLayout, seg_max))?,
            blk_size: optional(BlkFeatures::BLK_SIZE, offset_of!(ConfigLayout, blk_size))?,
            writeback: optional_u8(BlkFeatures::CONFIG_WCE, WRITEBACK)?,
            num_queues: match features.contains(BlkFeatures::MQ) {
                true => Some(space.read_u16(offset_of!(ConfigLayout, num_queues))?),
                false => None,
            },
            discard: range(
                BlkFeatures::DISCARD,
                [
                    offset_of!(ConfigLayout, max_discard_sectors),
                    offset_of!(ConfigLayout, max_discard_seg),
                ],
                Some(offset_of!(ConfigLayout, discard_sector_alignment)),
            )?,
            write_zeroes: range(
                BlkFeatures::WRITE_ZEROES,
                [
                    offset_of!(ConfigLayout, max_write_zeroes_sectors),
                    offset_of!(ConfigLayout, max_write_zeroes_seg),
                ],
                None,
            )?,
            write_zeroes_may_unmap: optional_u8(
                BlkFeatures::WRITE_ZEROES,
                offset_of!(ConfigLayout, write_zeroes_may_unmap),
            )?,
            secure_erase: range(
                BlkFeatures::SECURE_ERASE,
                [
                    offset_of!(ConfigLayout, max_secure_erase_sectors),
                    offset_of!(ConfigLayout, max_secure_erase_seg),
                ],
                Some(offset_of!(ConfigLayout, secure_erase_sector_alignment)),
            )?,
        })
    }

    /// Reads `capacity`, in sectors of 512 bytes, which every block device has.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooShort`].
    pub fn read_capacity<T: Transport>(space: &ConfigSpace<'_, T>) -> Result<u64, ConfigError> {
        space.read_u64(offset_of!(ConfigLayout, capacity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtio_bindings::virtio_blk as c;

    #[test]
    fn the_layout_agrees_with_the_header_of_linux() {
        assert_eq!(offset_of!(c::virtio_blk_config, capacity), 0);
        assert_eq!(
            offset_of!(c::virtio_blk_config, size_max),
            offset_of!(ConfigLayout, size_max)
        );
        assert_eq!(
            offset_of!(c::virtio_blk_config, seg_max),
            offset_of!(ConfigLayout, seg_max)
        );
        assert_eq!(
            offset_of!(c::virtio_blk_config, blk_size),
            offset_of!(ConfigLayout, blk_size)
        );
        assert_eq!(
            offset_of!(c::virtio_blk_config, num_queues),
            offset_of!(ConfigLayout, num_queues)
        );
        assert_eq!(
            offset_of!(c::virtio_blk_config, max_discard_sectors),
            offset_of!(ConfigLayout, max_discard_sectors)
        );
        assert_eq!(
            offset_of!(c::virtio_blk_config, unused1),
            offset_of!(ConfigLayout, unused1)
        );
        assert_eq!(offset_of!(c::virtio_blk_config, wce), WRITEBACK);
        assert_eq!(
            offset_of!(c::virtio_blk_config, write_zeroes_may_unmap),
            offset_of!(ConfigLayout, write_zeroes_may_unmap)
        );
        assert_eq!(
            offset_of!(c::virtio_blk_config, zoned),
            offset_of!(ConfigLayout, zoned)
        );
    }

    #[test]
    fn the_fields_are_little_endian_on_every_host() {
        let config = ConfigLayout {
            capacity: 0x0102_0304_0506_0708.into(),
            seg_max: 0x1112_1314.into(),
            num_queues: 0x2122.into(),
            ..ConfigLayout::default()
        };
        let bytes = config.as_bytes();
        assert_eq!(bytes[..8], [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(bytes[12..16], [0x14, 0x13, 0x12, 0x11]);
        assert_eq!(bytes[34..36], [0x22, 0x21]);
        assert_eq!(
            ConfigLayout::read_from_bytes(bytes).unwrap().capacity.get(),
            0x0102_0304_0506_0708
        );
    }
}
