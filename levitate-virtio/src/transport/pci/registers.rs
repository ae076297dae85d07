//! The common configuration, a constant a field: [`Field`] (§4.1.4.3).

use core::marker::PhantomData;

use levitate_hal::Mmio;
use static_assertions::const_assert_eq;

pub use crate::transport::access::{ReadOnly, ReadWrite, Readable, Writable, WriteOnly};

/// Bytes of the fields that every device has, up to `queue_device`.
pub(super) const COMMON_BYTES: u64 = 56;
/// Bytes of all the fields here, with those that are there with a feature only.
pub(super) const COMMON_BYTES_MAX: u64 = QUEUE_RESET.end();

/// A field of the common configuration: how wide it is, and which way it may be accessed.
///
/// One access is one access of the field's width; fields of 64 bits are two of 32 (§4.1.3.1).
///
/// ```
/// use levitate_virtio::transport::pci::registers::{NUM_QUEUES, QUEUE_SELECT};
/// fn last_queue(common: &impl levitate_hal::Mmio) {
///     QUEUE_SELECT.write(common, NUM_QUEUES.read(common) - 1);
/// }
/// ```
///
/// Writing a field that is only read does not compile:
///
/// ```compile_fail
/// use levitate_virtio::transport::pci::registers::{NUM_QUEUES, QUEUE_SELECT};
/// fn last_queue(common: &impl levitate_hal::Mmio) {
///     NUM_QUEUES.write(common, QUEUE_SELECT.read(common));
/// }
/// ```
///
/// nor does one that is not aligned:
///
/// ```compile_fail
/// use levitate_virtio::transport::pci::registers::{Field, ReadWrite};
/// const CROOKED: Field<u16, ReadWrite> = Field::at(21);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Field<T, Access> {
    offset: usize,
    is: PhantomData<(T, Access)>,
}

impl<T, Access> Field<T, Access> {
    /// Names the field at `offset`, aligned to its width; anything else does not compile in a constant.
    #[must_use]
    pub const fn at(offset: usize) -> Self {
        assert!(
            offset.is_multiple_of(size_of::<T>()),
            "not aligned to its width"
        );
        Self {
            offset,
            is: PhantomData,
        }
    }

    /// Returns the offset in bytes from the start of the common configuration.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Returns how long the structure is at least if it has the field.
    pub(super) const fn end(&self) -> u64 {
        self.offset.saturating_add(size_of::<T>()) as u64
    }
}

/// Gives fields of each width their accesses.
macro_rules! accesses {
    ($($width:ty: $read:ident, $write:ident;)*) => {$(
        impl<Access> Field<$width, Access> {
            /// Reads the field.
            pub fn read<M: Mmio>(self, common: &M) -> $width
            where
                Access: Readable,
            {
                common.$read(self.offset)
            }

            /// Writes the field.
            pub fn write<M: Mmio>(self, common: &M, value: $width)
            where
                Access: Writable,
            {
                common.$write(self.offset, value);
            }
        }
    )*};
}

accesses! {
    u8: read8, write8;
    u16: read16, write16;
    u32: read32, write32;
}

/// `device_feature_select`: which 32 of the offered feature bits.
pub const DEVICE_FEATURE_SELECT: Field<u32, ReadWrite> = Field::at(0);
/// `device_feature`: 32 of the offered feature bits.
pub const DEVICE_FEATURE: Field<u32, ReadOnly> = Field::at(4);
/// `driver_feature_select`: which 32 of the accepted feature bits.
pub const DRIVER_FEATURE_SELECT: Field<u32, ReadWrite> = Field::at(8);
/// `driver_feature`: 32 of the accepted feature bits.
pub const DRIVER_FEATURE: Field<u32, ReadWrite> = Field::at(12);
/// `config_msix_vector`: the MSI-X vector for changes of the configuration.
pub const CONFIG_MSIX_VECTOR: Field<u16, ReadWrite> = Field::at(16);
/// `num_queues`: how many queues there are, without administration queues.
pub const NUM_QUEUES: Field<u16, ReadOnly> = Field::at(18);
/// `device_status`: the device status; writing 0 resets the device.
pub const DEVICE_STATUS: Field<u8, ReadWrite> = Field::at(20);
/// `config_generation`: changes with the configuration.
pub const CONFIG_GENERATION: Field<u8, ReadOnly> = Field::at(21);
/// `queue_select`: which queue the fields from here on are about.
pub const QUEUE_SELECT: Field<u16, ReadWrite> = Field::at(22);
/// `queue_size`: the most descriptors the queue may have, then how many it has; 0 means that there is no such queue.
pub const QUEUE_SIZE: Field<u16, ReadWrite> = Field::at(24);
/// `queue_msix_vector`: the MSI-X vector for used buffers of the queue.
pub const QUEUE_MSIX_VECTOR: Field<u16, ReadWrite> = Field::at(26);
/// `queue_enable`: 1 makes the queue live.
pub const QUEUE_ENABLE: Field<u16, ReadWrite> = Field::at(28);
/// `queue_notify_off`: where the queue is notified, in units of `notify_off_multiplier`.
pub const QUEUE_NOTIFY_OFF: Field<u16, ReadOnly> = Field::at(30);
/// `queue_desc`: descriptor area, the lower half first.
pub const QUEUE_DESC: [Field<u32, WriteOnly>; 2] = [Field::at(32), Field::at(36)];
/// `queue_driver`: driver area, the lower half first.
pub const QUEUE_DRIVER: [Field<u32, WriteOnly>; 2] = [Field::at(40), Field::at(44)];
/// `queue_device`: device area, the lower half first.
pub const QUEUE_DEVICE: [Field<u32, WriteOnly>; 2] = [Field::at(48), Field::at(52)];

const_assert_eq!(QUEUE_DEVICE[1].end(), COMMON_BYTES);

/// `queue_notif_config_data`: what stands for the queue in notifications, with VIRTIO_F_NOTIF_CONFIG_DATA.
pub const QUEUE_NOTIF_CONFIG_DATA: Field<u16, ReadOnly> = Field::at(56);
/// `queue_reset`: with VIRTIO_F_RING_RESET, 1 resets the queue, and it reads 1 until that is done.
pub const QUEUE_RESET: Field<u16, ReadWrite> = Field::at(58);

/// `VIRTIO_MSI_NO_VECTOR`: no vector.
pub const NO_VECTOR: u16 = 0xffff;
