//! The block device's configuration space (§5.2.4).

use super::feature::*;
use super::offer::Offer;
use super::zoned::Zoned;
use crate::device::ConfigField;

/// All of it, down to the zoned fields.
pub(super) const LEN_BYTES: usize = 96;
/// Where `writeback` is.
pub(super) const WRITEBACK: usize = 32;

const fn field(offset: usize, len_bytes: usize) -> ConfigField {
    ConfigField::read_only(offset, len_bytes)
}

pub(super) const FIELDS: &[ConfigField] = &[
    field(0, 8),
    field(8, 4).with_feature(SIZE_MAX),
    field(12, 4).with_feature(SEG_MAX),
    field(16, 2).with_feature(GEOMETRY),
    field(18, 1).with_feature(GEOMETRY),
    field(19, 1).with_feature(GEOMETRY),
    field(20, 4).with_feature(BLK_SIZE),
    field(24, 1).with_feature(TOPOLOGY),
    field(25, 1).with_feature(TOPOLOGY),
    field(26, 2).with_feature(TOPOLOGY),
    field(28, 4).with_feature(TOPOLOGY),
    field(WRITEBACK, 1)
        .with_feature(CONFIG_WCE)
        .writable()
        .not_before_features_ok("BLK-04"),
    field(34, 2).with_feature(MQ),
    field(36, 4).with_feature(DISCARD),
    field(40, 4).with_feature(DISCARD),
    field(44, 4).with_feature(DISCARD),
    field(48, 4).with_feature(WRITE_ZEROES),
    field(52, 4).with_feature(WRITE_ZEROES),
    field(56, 1).with_feature(WRITE_ZEROES),
    field(60, 4).with_feature(SECURE_ERASE),
    field(64, 4).with_feature(SECURE_ERASE),
    field(68, 4).with_feature(SECURE_ERASE),
    field(72, 4).with_feature(ZONED),
    field(76, 4).with_feature(ZONED),
    field(80, 4).with_feature(ZONED),
    field(84, 4).with_feature(ZONED),
    field(88, 4).with_feature(ZONED),
    field(92, 1).with_feature(ZONED),
];

/// Returns the whole space; what is not offered is 0.
pub(super) fn encode(
    capacity_sectors: u64,
    offer: &Offer,
    is_writeback: bool,
    zoned: Option<Zoned>,
) -> Vec<u8> {
    let geometry = offer.geometry.unwrap_or_default();
    let topology = offer.topology.unwrap_or_default();
    let discard = offer.discard.unwrap_or_default();
    let write_zeroes = offer.write_zeroes.unwrap_or_default();
    let secure_erase = offer.secure_erase.unwrap_or_default();
    let mut space = Vec::with_capacity(LEN_BYTES);
    space.extend(capacity_sectors.to_le_bytes());
    put(&mut space, offer.size_max.unwrap_or(0));
    put(&mut space, offer.seg_max.unwrap_or(0));
    space.extend(geometry.cylinders.to_le_bytes());
    space.extend([geometry.heads, geometry.sectors]);
    put(&mut space, offer.block_size.unwrap_or(0));
    space.extend([topology.physical_block_exp, topology.alignment_offset]);
    space.extend(topology.min_io_size.to_le_bytes());
    put(&mut space, topology.opt_io_size);
    space.extend([u8::from(is_writeback), 0]);
    space.extend(offer.queues.unwrap_or(0).to_le_bytes());
    put(&mut space, discard.max_sectors);
    put(&mut space, discard.max_segments);
    put(&mut space, discard.alignment_sectors);
    put(&mut space, write_zeroes.max_sectors);
    put(&mut space, write_zeroes.max_segments);
    space.extend([u8::from(offer.may_unmap), 0, 0, 0]);
    put(&mut space, secure_erase.max_sectors);
    put(&mut space, secure_erase.max_segments);
    put(&mut space, secure_erase.alignment_sectors);
    if let Some(zoned) = zoned {
        put(&mut space, zoned.zone_sectors);
        put(&mut space, zoned.max_open_zones);
        put(&mut space, zoned.max_active_zones);
        put(&mut space, zoned.max_append_sectors);
        put(&mut space, zoned.write_granularity_bytes);
        space.push(zoned.model as u8);
    }
    space.resize(LEN_BYTES, 0);
    space
}

fn put(space: &mut Vec<u8>, word: u32) {
    space.extend(word.to_le_bytes());
}
