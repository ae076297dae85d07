//! The configuration space of a GPU device: [`GpuConfig`], [`Events`] (§5.7.4).

use levitate_virtio::{ConfigError, ConfigSpace, Transport};

/// Where `events_read` is.
const EVENTS_READ: usize = 0;
/// Where `num_scanouts` is.
const NUM_SCANOUTS: usize = 8;
/// Where `num_capsets` is.
const NUM_CAPSETS: usize = 12;

bitflags::bitflags! {
    /// What has happened on the device's side (§5.7.4.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Events: u32 {
        /// A display has changed: ask for the display info, and for the EDIDs, again (`VIRTIO_GPU_EVENT_DISPLAY`).
        const DISPLAY = 1 << 0;
        // Events this crate does not know.
        const _ = !0;
    }
}

/// What a GPU device says of itself, once and for all (§5.7.4).
#[doc(alias = "virtio_gpu_config")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuConfig {
    /// How many scanouts there are, 1 to 16.
    pub num_scanouts: u32,
    /// How many capability sets there are; they are for 3D.
    pub num_capsets: u32,
}

impl GpuConfig {
    /// Reads both numbers, unchecked.
    pub(crate) fn read<T: Transport>(space: &ConfigSpace<'_, T>) -> Result<Self, ConfigError> {
        Ok(Self {
            num_scanouts: space.read_u32(NUM_SCANOUTS)?,
            num_capsets: space.read_u32(NUM_CAPSETS)?,
        })
    }
}

impl Events {
    /// Reads what has happened and was not cleared; reading clears nothing.
    pub(crate) fn read<T: Transport>(space: &ConfigSpace<'_, T>) -> Result<Self, ConfigError> {
        space.read_u32(EVENTS_READ).map(Self::from_bits_retain)
    }
}
