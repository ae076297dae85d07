//! The fields of the block device's configuration space (§5.2.4).

use super::{FEATURE_BLK_SIZE, FEATURE_SEG_MAX, FEATURE_SIZE_MAX};
use crate::device::ConfigField;

/// All of it, down to the zoned fields.
pub(super) const LEN_BYTES: usize = 96;

const fn field(offset: usize, len_bytes: usize) -> ConfigField {
    ConfigField::read_only(offset, len_bytes)
}

pub(super) const FIELDS: &[ConfigField] = &[
    field(0, 8),
    field(8, 4).with_feature(FEATURE_SIZE_MAX),
    field(12, 4).with_feature(FEATURE_SEG_MAX),
    field(16, 2).with_feature(4),
    field(18, 1).with_feature(4),
    field(19, 1).with_feature(4),
    field(20, 4).with_feature(FEATURE_BLK_SIZE),
    field(24, 1).with_feature(10),
    field(25, 1).with_feature(10),
    field(26, 2).with_feature(10),
    field(28, 4).with_feature(10),
    field(32, 1).with_feature(11).writable(),
    field(34, 2).with_feature(12),
    field(36, 4).with_feature(13),
    field(40, 4).with_feature(13),
    field(44, 4).with_feature(13),
    field(48, 4).with_feature(14),
    field(52, 4).with_feature(14),
    field(56, 1).with_feature(14),
    field(60, 4).with_feature(16),
    field(64, 4).with_feature(16),
    field(68, 4).with_feature(16),
    field(72, 4).with_feature(17),
    field(76, 4).with_feature(17),
    field(80, 4).with_feature(17),
    field(84, 4).with_feature(17),
    field(88, 4).with_feature(17),
    field(92, 1).with_feature(17),
];
