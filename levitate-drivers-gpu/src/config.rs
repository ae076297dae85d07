//! The configuration space of a GPU device: [`ConfigLayout`], and [`GpuConfig`] and [`Events`] as they are read (§5.7.4).

use core::mem::{align_of, offset_of, size_of};

use levitate_virtio::{ConfigError, ConfigSpace, ConfigWriter, Transport};
use static_assertions::const_assert_eq;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What the configuration space looks like (§5.7.4), as far as every device has it: each field is read by itself.
#[doc(alias = "virtio_gpu_config")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4))]
pub struct ConfigLayout {
    /// Events that have happened and were not cleared.
    pub events_read: U32,
    /// Writing a bit clears it in `events_read`.
    pub events_clear: U32,
    /// Scanouts, 1 to 16.
    pub num_scanouts: U32,
    /// Capability sets.
    pub num_capsets: U32,
}

const_assert_eq!(size_of::<ConfigLayout>(), 16);
const_assert_eq!(align_of::<ConfigLayout>(), 4);
const_assert_eq!(offset_of!(ConfigLayout, events_read), 0);
const_assert_eq!(offset_of!(ConfigLayout, events_clear), 4);
const_assert_eq!(offset_of!(ConfigLayout, num_scanouts), 8);
const_assert_eq!(offset_of!(ConfigLayout, num_capsets), 12);

bitflags::bitflags! {
    /// What has happened on the device's side (§5.7.4.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Events: u32 {
        /// A display has changed: the display info, and the EDIDs, are to be asked for again.
        #[doc(alias = "VIRTIO_GPU_EVENT_DISPLAY")]
        const DISPLAY = 1 << 0;
        // Events this crate does not know.
        const _ = !0;
    }
}

/// What a GPU device says of itself, once and for all (§5.7.4).
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
            num_scanouts: space.read_u32(offset_of!(ConfigLayout, num_scanouts))?,
            num_capsets: space.read_u32(offset_of!(ConfigLayout, num_capsets))?,
        })
    }
}

impl Events {
    /// Reads what has happened and was not cleared; reading clears nothing.
    pub(crate) fn read<T: Transport>(space: &ConfigSpace<'_, T>) -> Result<Self, ConfigError> {
        space
            .read_u32(offset_of!(ConfigLayout, events_read))
            .map(Self::from_bits_retain)
    }

    /// Clears these events, and no others.
    pub(crate) fn clear<T: Transport>(
        self,
        writer: &mut ConfigWriter<'_, T>,
    ) -> Result<(), ConfigError> {
        writer.write_u32(offset_of!(ConfigLayout, events_clear), self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtio_bindings::virtio_gpu as c;

    #[test]
    fn the_layout_agrees_with_the_header_of_linux() {
        let theirs = [
            offset_of!(c::virtio_gpu_config, events_read),
            offset_of!(c::virtio_gpu_config, events_clear),
            offset_of!(c::virtio_gpu_config, num_scanouts),
            offset_of!(c::virtio_gpu_config, num_capsets),
        ];
        let ours = [
            offset_of!(ConfigLayout, events_read),
            offset_of!(ConfigLayout, events_clear),
            offset_of!(ConfigLayout, num_scanouts),
            offset_of!(ConfigLayout, num_capsets),
        ];
        assert_eq!(ours, theirs);
    }
}
