//! Feature bits of the block device (§5.2.3).

pub(super) const SIZE_MAX: u32 = 1;
pub(super) const SEG_MAX: u32 = 2;
pub(super) const GEOMETRY: u32 = 4;
pub(super) const RO: u32 = 5;
pub(super) const BLK_SIZE: u32 = 6;
pub(super) const FLUSH: u32 = 9;
pub(super) const TOPOLOGY: u32 = 10;
pub(super) const CONFIG_WCE: u32 = 11;
pub(super) const MQ: u32 = 12;
pub(super) const DISCARD: u32 = 13;
pub(super) const WRITE_ZEROES: u32 = 14;
pub(super) const LIFETIME: u32 = 15;
pub(super) const SECURE_ERASE: u32 = 16;
pub(super) const ZONED: u32 = 17;

/// Says whether `features` has `bit`.
pub(super) const fn has(features: u64, bit: u32) -> bool {
    features & (1 << bit) != 0
}
