//! What a disk can offer besides sectors (§5.2.3, §5.2.4): [`Offer`].

use super::zoned::{ZoneModel, Zoned};
use super::{SECTOR_BYTES, feature};

/// Cylinders, heads and sectors of a track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Geometry {
    /// Number of cylinders.
    pub cylinders: u16,
    /// Number of heads.
    pub heads: u8,
    /// Sectors of a track.
    pub sectors: u8,
}

/// Sizes of transfers that suit the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Blocks of a physical block, as a power of two.
    pub physical_block_exp: u8,
    /// Offset of the first aligned block.
    pub alignment_offset: u8,
    /// Smallest transfer to aim for, in blocks.
    pub min_io_size: u16,
    /// Best size of a transfer, in blocks.
    pub opt_io_size: u32,
}

/// What GET_LIFETIME answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// How far the reserved blocks are used up: 1 to 3, or 0 if nobody knows.
    pub pre_eol_info: u16,
    /// Wear of SLC cells in steps of 10 %: 1 to 11, or 0 if nobody knows.
    pub type_a: u16,
    /// Wear of MLC cells, counted the same.
    pub type_b: u16,
}

/// How much one DISCARD, WRITE_ZEROES or SECURE_ERASE may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EraseLimits {
    /// Most sectors of a segment.
    pub max_sectors: u32,
    /// Most segments of a request.
    pub max_segments: u32,
    /// What segments had better be aligned to, in sectors; WRITE_ZEROES has no such field.
    pub alignment_sectors: u32,
}

/// The optional part of a disk; what is `None` or false is not offered.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer {
    pub(super) is_read_only: bool,
    pub(super) has_flush: bool,
    pub(super) has_cache_switch: bool,
    pub(super) size_max: Option<u32>,
    pub(super) seg_max: Option<u32>,
    pub(super) geometry: Option<Geometry>,
    pub(super) block_size: Option<u32>,
    pub(super) topology: Option<Topology>,
    pub(super) queues: Option<u16>,
    pub(super) discard: Option<EraseLimits>,
    pub(super) write_zeroes: Option<EraseLimits>,
    pub(super) may_unmap: bool,
    pub(super) secure_erase: Option<EraseLimits>,
    pub(super) lifetime: Option<Lifetime>,
    pub(super) zoned: Option<Zoned>,
}

impl Offer {
    pub(super) fn features(&self) -> u64 {
        let bits = [
            (feature::SIZE_MAX, self.size_max.is_some()),
            (feature::SEG_MAX, self.seg_max.is_some()),
            (feature::GEOMETRY, self.geometry.is_some()),
            (feature::RO, self.is_read_only),
            (feature::BLK_SIZE, self.block_size.is_some()),
            (feature::FLUSH, self.has_flush),
            (feature::TOPOLOGY, self.topology.is_some()),
            (feature::CONFIG_WCE, self.has_cache_switch),
            (feature::MQ, self.queues.is_some()),
            (feature::DISCARD, self.discard.is_some()),
            (feature::WRITE_ZEROES, self.write_zeroes.is_some()),
            (feature::LIFETIME, self.lifetime.is_some()),
            (feature::SECURE_ERASE, self.secure_erase.is_some()),
            (feature::ZONED, self.zoned.is_some()),
        ];
        bits.iter()
            .filter(|(_, is_offered)| *is_offered)
            .map(|(bit, _)| 1 << bit)
            .sum()
    }

    /// Checks that a disk may offer these together (§5.2.5.2).
    pub(super) fn assert_possible(&self) {
        assert!(
            self.has_flush || !self.has_cache_switch,
            "a disk that offers CONFIG_WCE offers FLUSH"
        );
        let Some(zoned) = self.zoned else {
            return;
        };
        if let (Some(size_max), Some(seg_max)) = (self.size_max, self.seg_max) {
            let append_bytes = u64::from(zoned.max_append_sectors) * SECTOR_BYTES as u64;
            assert!(
                append_bytes <= u64::from(size_max) * u64::from(seg_max),
                "max_append_sectors is {}, which is more than {seg_max} segments of {size_max} bytes",
                zoned.max_append_sectors
            );
        }
        if let Some(EraseLimits {
            alignment_sectors, ..
        }) = self.secure_erase
        {
            assert!(
                alignment_sectors.is_multiple_of(zoned.zone_sectors),
                "secure_erase_sector_alignment is {alignment_sectors}, which is no multiple of the zones' {} sectors",
                zoned.zone_sectors
            );
        }
    }

    pub(super) fn is_host_managed(&self) -> bool {
        self.zoned
            .is_some_and(|zoned| zoned.model == ZoneModel::HostManaged)
    }
}
