//! Numbers of the specification, written down here once more: the device shares none with the drivers.

/// Offsets of the registers (§4.2.2, §4.2.4).
pub(crate) mod register {
    pub(crate) const MAGIC: usize = 0x000;
    pub(crate) const VERSION: usize = 0x004;
    pub(crate) const DEVICE_ID: usize = 0x008;
    pub(crate) const DEVICE_FEATURES: usize = 0x010;
    pub(crate) const DEVICE_FEATURES_SEL: usize = 0x014;
    pub(crate) const QUEUE_SEL: usize = 0x030;
    pub(crate) const QUEUE_SIZE_MAX: usize = 0x034;
    pub(crate) const QUEUE_SIZE: usize = 0x038;
    pub(crate) const QUEUE_PFN: usize = 0x040;
    pub(crate) const QUEUE_READY: usize = 0x044;
    pub(crate) const INTERRUPT_STATUS: usize = 0x060;
    pub(crate) const INTERRUPT_ACK: usize = 0x064;
    pub(crate) const STATUS: usize = 0x070;
    pub(crate) const DESC_LOW: usize = 0x080;
    pub(crate) const DESC_HIGH: usize = 0x084;
    pub(crate) const DRIVER_LOW: usize = 0x090;
    pub(crate) const DRIVER_HIGH: usize = 0x094;
    pub(crate) const DEVICE_LOW: usize = 0x0a0;
    pub(crate) const DEVICE_HIGH: usize = 0x0a4;
    pub(crate) const QUEUE_RESET: usize = 0x0c0;
    pub(crate) const GENERATION: usize = 0x0fc;
    pub(crate) const CONFIG: usize = 0x100;
}

/// "virt".
pub(crate) const MAGIC: u32 = 0x7472_6976;

/// Bits of the device status (§2.1).
pub(crate) const DRIVER_OK: u32 = 4;
pub(crate) const NEEDS_RESET: u32 = 64;

/// Features every device may have (§6).
pub(crate) const F_INDIRECT: u64 = 1 << 28;
pub(crate) const F_EVENT_IDX: u64 = 1 << 29;
pub(crate) const F_VERSION_1: u64 = 1 << 32;
pub(crate) const F_RING_PACKED: u64 = 1 << 34;
pub(crate) const F_IN_ORDER: u64 = 1 << 35;
pub(crate) const F_RING_RESET: u64 = 1 << 40;

/// Flags of a descriptor (§2.7.5).
pub(crate) const DESC_NEXT: u16 = 1;
pub(crate) const DESC_WRITE: u16 = 2;
pub(crate) const DESC_INDIRECT: u16 = 4;

/// Those of a packed ring that say whose a descriptor is (§2.8.1).
pub(crate) const DESC_AVAIL: u16 = 1 << 7;
pub(crate) const DESC_USED: u16 = 1 << 15;

/// Types of block requests (§5.2.6).
pub(crate) const BLK_IN: u32 = 0;
pub(crate) const BLK_OUT: u32 = 1;
pub(crate) const BLK_GET_ID: u32 = 8;

/// Types of GPU commands and responses (§5.7.6.7).
pub(crate) mod gpu {
    pub(crate) const GET_DISPLAY_INFO: u32 = 0x0100;
    pub(crate) const CREATE_2D: u32 = 0x0101;
    pub(crate) const UNREF: u32 = 0x0102;
    pub(crate) const SET_SCANOUT: u32 = 0x0103;
    pub(crate) const FLUSH: u32 = 0x0104;
    pub(crate) const TRANSFER: u32 = 0x0105;
    pub(crate) const ATTACH_BACKING: u32 = 0x0106;
    pub(crate) const GET_EDID: u32 = 0x010a;
    pub(crate) const OK_NODATA: u32 = 0x1100;
    pub(crate) const OK_DISPLAY_INFO: u32 = 0x1101;
    pub(crate) const OK_EDID: u32 = 0x1104;
}
