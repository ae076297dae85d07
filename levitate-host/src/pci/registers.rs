//! Fields of the common configuration (§4.1.4.3), and who may do what with them.

pub(super) const DEVICE_FEATURE_SELECT: usize = 0;
pub(super) const DEVICE_FEATURE: usize = 4;
pub(super) const DRIVER_FEATURE_SELECT: usize = 8;
pub(super) const DRIVER_FEATURE: usize = 12;
pub(super) const CONFIG_MSIX_VECTOR: usize = 16;
pub(super) const NUM_QUEUES: usize = 18;
pub(super) const DEVICE_STATUS: usize = 20;
pub(super) const CONFIG_GENERATION: usize = 21;
pub(super) const QUEUE_SELECT: usize = 22;
pub(super) const QUEUE_SIZE: usize = 24;
pub(super) const QUEUE_MSIX_VECTOR: usize = 26;
pub(super) const QUEUE_ENABLE: usize = 28;
pub(super) const QUEUE_NOTIFY_OFF: usize = 30;
/// The first of the three addresses, of which each half is a field here.
pub(super) const QUEUE_DESC: usize = 32;
/// The last half of the last address.
pub(super) const QUEUE_DEVICE_HIGH: usize = 52;
pub(super) const QUEUE_NOTIF_CONFIG_DATA: usize = 56;
pub(super) const QUEUE_RESET: usize = 58;
pub(super) const ADMIN_QUEUE_INDEX: usize = 60;
pub(super) const ADMIN_QUEUE_NUM: usize = 62;

/// `VIRTIO_F_RING_PACKED`.
pub(super) const RING_PACKED: u32 = 34;
/// `VIRTIO_F_NOTIFICATION_DATA`.
pub(super) const NOTIFICATION_DATA: u32 = 38;
/// `VIRTIO_F_NOTIF_CONFIG_DATA`.
pub(super) const NOTIF_CONFIG_DATA: u32 = 39;
/// `VIRTIO_F_RING_RESET`.
pub(super) const RING_RESET: u32 = 40;
/// `VIRTIO_F_ADMIN_VQ`.
const ADMIN_VQ: u32 = 41;

/// `VIRTIO_MSI_NO_VECTOR`.
pub(super) const NO_VECTOR: u16 = 0xffff;

/// What a field is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// How wide an access to it is, in bytes.
    pub(super) width_bytes: usize,
    /// Whether a driver may write it.
    pub(super) is_writable: bool,
    /// The feature without which it is not there.
    pub(super) feature: Option<u32>,
}

/// Returns the field that begins at `offset`.
pub(super) const fn field(offset: usize) -> Option<Field> {
    let (width_bytes, is_writable) = match offset {
        DEVICE_STATUS => (1, true),
        CONFIG_GENERATION => (1, false),
        NUM_QUEUES
        | QUEUE_NOTIFY_OFF
        | QUEUE_NOTIF_CONFIG_DATA
        | ADMIN_QUEUE_INDEX
        | ADMIN_QUEUE_NUM => (2, false),
        CONFIG_MSIX_VECTOR | QUEUE_SELECT | QUEUE_SIZE | QUEUE_MSIX_VECTOR | QUEUE_ENABLE
        | QUEUE_RESET => (2, true),
        DEVICE_FEATURE => (4, false),
        DEVICE_FEATURE_SELECT | DRIVER_FEATURE_SELECT | DRIVER_FEATURE => (4, true),
        QUEUE_DESC..=QUEUE_DEVICE_HIGH if offset.is_multiple_of(4) => (4, true),
        _ => return None,
    };
    let feature = match offset {
        QUEUE_NOTIF_CONFIG_DATA => Some(NOTIF_CONFIG_DATA),
        QUEUE_RESET => Some(RING_RESET),
        ADMIN_QUEUE_INDEX | ADMIN_QUEUE_NUM => Some(ADMIN_VQ),
        _ => None,
    };
    Some(Field {
        width_bytes,
        is_writable,
        feature,
    })
}
