//! Feature bits that mean the same for every type of device (§6), for a test that offers or withholds them.

/// `VIRTIO_F_INDIRECT_DESC`; always on offer.
pub const INDIRECT_DESC: u64 = 1 << 28;
/// `VIRTIO_F_EVENT_IDX`; always on offer.
pub const EVENT_IDX: u64 = 1 << 29;
/// `VIRTIO_F_VERSION_1`; always on offer, but by a legacy device.
pub const VERSION_1: u64 = 1 << 32;
/// `VIRTIO_F_ACCESS_PLATFORM`.
pub const ACCESS_PLATFORM: u64 = 1 << 33;
/// `VIRTIO_F_RING_PACKED`.
pub const RING_PACKED: u64 = 1 << 34;
/// `VIRTIO_F_IN_ORDER`.
pub const IN_ORDER: u64 = 1 << 35;
/// `VIRTIO_F_ORDER_PLATFORM`.
pub const ORDER_PLATFORM: u64 = 1 << 36;
/// `VIRTIO_F_NOTIFICATION_DATA`.
pub const NOTIFICATION_DATA: u64 = 1 << 38;
/// `VIRTIO_F_NOTIF_CONFIG_DATA`, which only PCI has a place for.
pub const NOTIF_CONFIG_DATA: u64 = 1 << 39;
/// `VIRTIO_F_RING_RESET`.
pub const RING_RESET: u64 = 1 << 40;
