//! Offsets of the registers (§4.2.2, §4.2.4), and who may do what with them.

use super::Version;

pub(crate) const MAGIC_VALUE: usize = 0x000;
pub(crate) const VERSION: usize = 0x004;
pub(crate) const DEVICE_ID: usize = 0x008;
pub(crate) const VENDOR_ID: usize = 0x00c;
pub(crate) const DEVICE_FEATURES: usize = 0x010;
pub(crate) const DEVICE_FEATURES_SEL: usize = 0x014;
pub(crate) const DRIVER_FEATURES: usize = 0x020;
pub(crate) const DRIVER_FEATURES_SEL: usize = 0x024;
pub(crate) const GUEST_PAGE_SIZE: usize = 0x028;
pub(crate) const QUEUE_SEL: usize = 0x030;
pub(crate) const QUEUE_SIZE_MAX: usize = 0x034;
pub(crate) const QUEUE_SIZE: usize = 0x038;
pub(crate) const QUEUE_ALIGN: usize = 0x03c;
pub(crate) const QUEUE_PFN: usize = 0x040;
pub(crate) const QUEUE_READY: usize = 0x044;
pub(crate) const QUEUE_NOTIFY: usize = 0x050;
pub(crate) const INTERRUPT_STATUS: usize = 0x060;
pub(crate) const INTERRUPT_ACK: usize = 0x064;
pub(crate) const STATUS: usize = 0x070;
pub(crate) const QUEUE_DESC_LOW: usize = 0x080;
pub(crate) const QUEUE_DESC_HIGH: usize = 0x084;
pub(crate) const QUEUE_DRIVER_LOW: usize = 0x090;
pub(crate) const QUEUE_DRIVER_HIGH: usize = 0x094;
pub(crate) const QUEUE_DEVICE_LOW: usize = 0x0a0;
pub(crate) const QUEUE_DEVICE_HIGH: usize = 0x0a4;
pub(crate) const SHM_SEL: usize = 0x0ac;
pub(crate) const SHM_LEN_LOW: usize = 0x0b0;
pub(crate) const SHM_LEN_HIGH: usize = 0x0b4;
pub(crate) const SHM_BASE_LOW: usize = 0x0b8;
pub(crate) const SHM_BASE_HIGH: usize = 0x0bc;
pub(crate) const QUEUE_RESET: usize = 0x0c0;
pub(crate) const CONFIG_GENERATION: usize = 0x0fc;
pub(crate) const CONFIG: usize = 0x100;

/// Which way a register may be accessed, by the tables of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    ReadOnly,
    WriteOnly,
    ReadWrite,
    /// It is a register of the other version.
    OtherVersion,
    /// It is no register.
    None,
}

/// Says what a driver may do with the register at `offset`.
pub(crate) const fn rights(offset: usize, version: Version) -> Rights {
    match (offset, version) {
        (
            MAGIC_VALUE | VERSION | DEVICE_ID | VENDOR_ID | DEVICE_FEATURES | QUEUE_SIZE_MAX
            | INTERRUPT_STATUS,
            _,
        )
        | (
            SHM_LEN_LOW | SHM_LEN_HIGH | SHM_BASE_LOW | SHM_BASE_HIGH | CONFIG_GENERATION,
            Version::Two,
        ) => Rights::ReadOnly,
        (
            DEVICE_FEATURES_SEL | DRIVER_FEATURES | DRIVER_FEATURES_SEL | QUEUE_SEL | QUEUE_SIZE
            | QUEUE_NOTIFY | INTERRUPT_ACK,
            _,
        )
        | (GUEST_PAGE_SIZE | QUEUE_ALIGN, Version::One)
        | (
            QUEUE_DESC_LOW | QUEUE_DESC_HIGH | QUEUE_DRIVER_LOW | QUEUE_DRIVER_HIGH
            | QUEUE_DEVICE_LOW | QUEUE_DEVICE_HIGH | SHM_SEL,
            Version::Two,
        ) => Rights::WriteOnly,
        (STATUS, _) | (QUEUE_PFN, Version::One) | (QUEUE_READY | QUEUE_RESET, Version::Two) => {
            Rights::ReadWrite
        }
        (GUEST_PAGE_SIZE | QUEUE_ALIGN | QUEUE_PFN, Version::Two)
        | (
            QUEUE_READY | QUEUE_DESC_LOW | QUEUE_DESC_HIGH | QUEUE_DRIVER_LOW | QUEUE_DRIVER_HIGH
            | QUEUE_DEVICE_LOW | QUEUE_DEVICE_HIGH | SHM_SEL | SHM_LEN_LOW | SHM_LEN_HIGH
            | SHM_BASE_LOW | SHM_BASE_HIGH | QUEUE_RESET | CONFIG_GENERATION,
            Version::One,
        ) => Rights::OtherVersion,
        _ => Rights::None,
    }
}

/// Says whether the register at `offset` is for shared memory, of which the devices here have none.
pub(crate) const fn is_shared_memory(offset: usize) -> bool {
    matches!(
        offset,
        SHM_SEL | SHM_LEN_LOW | SHM_LEN_HIGH | SHM_BASE_LOW | SHM_BASE_HIGH
    )
}
