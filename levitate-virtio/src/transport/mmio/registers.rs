//! The register map of virtio-mmio, a constant a register: [`Register`] (§4.2.2, §4.2.4).

use core::marker::PhantomData;

use levitate_hal::Mmio;

pub use crate::transport::access::{ReadOnly, ReadWrite, Readable, Writable, WriteOnly};

/// A 32-bit control register, and which way it may be accessed.
///
/// ```
/// use levitate_virtio::transport::mmio::registers::{MAGIC_VALUE, QUEUE_NOTIFY};
/// fn notify(mmio: &impl levitate_hal::Mmio) {
///     QUEUE_NOTIFY.write(mmio, MAGIC_VALUE.read(mmio));
/// }
/// ```
///
/// Reading a register that is only written does not compile:
///
/// ```compile_fail
/// use levitate_virtio::transport::mmio::registers::{MAGIC_VALUE, QUEUE_NOTIFY};
/// fn notify(mmio: &impl levitate_hal::Mmio) {
///     QUEUE_NOTIFY.read(mmio);
/// }
/// ```
///
/// nor does one that is not at a multiple of 4:
///
/// ```compile_fail
/// use levitate_virtio::transport::mmio::registers::{ReadOnly, Register};
/// const CROOKED: Register<ReadOnly> = Register::at(0x002);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Register<Access> {
    offset: usize,
    access: PhantomData<Access>,
}

impl<Access> Register<Access> {
    /// Names the register at `offset`, a multiple of 4 below 0x100; anything else does not compile in a constant.
    #[must_use]
    pub const fn at(offset: usize) -> Self {
        assert!(
            offset.is_multiple_of(4) && offset < CONFIG,
            "not a control register"
        );
        Self {
            offset,
            access: PhantomData,
        }
    }

    /// Returns the offset in bytes from the start of the device's registers.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Reads the register.
    pub fn read<M: Mmio>(self, mmio: &M) -> u32
    where
        Access: Readable,
    {
        mmio.read32(self.offset)
    }

    /// Writes the register.
    pub fn write<M: Mmio>(self, mmio: &M, value: u32)
    where
        Access: Writable,
    {
        mmio.write32(self.offset, value);
    }
}

/// Where the device's configuration space begins.
pub const CONFIG: usize = 0x100;

/// `MagicValue`: reads [`MAGIC`] on every VirtIO device.
pub const MAGIC_VALUE: Register<ReadOnly> = Register::at(0x000);
/// What `MagicValue` reads: "virt" in little-endian ASCII.
pub const MAGIC: u32 = 0x7472_6976;
/// `Version`: 2, or 1 for a legacy device.
pub const VERSION: Register<ReadOnly> = Register::at(0x004);
/// `DeviceID`: the device type; 0 means that there is no device.
pub const DEVICE_ID: Register<ReadOnly> = Register::at(0x008);
/// `DeviceFeatures`: 32 of the offered feature bits.
pub const DEVICE_FEATURES: Register<ReadOnly> = Register::at(0x010);
/// `DeviceFeaturesSel`: which 32 of them.
pub const DEVICE_FEATURES_SEL: Register<WriteOnly> = Register::at(0x014);
/// `DriverFeatures`: 32 of the accepted feature bits.
pub const DRIVER_FEATURES: Register<WriteOnly> = Register::at(0x020);
/// `DriverFeaturesSel`: which 32 of them.
pub const DRIVER_FEATURES_SEL: Register<WriteOnly> = Register::at(0x024);
/// `GuestPageSize` (version 1): the unit of `QueuePFN` in bytes.
pub const GUEST_PAGE_SIZE: Register<WriteOnly> = Register::at(0x028);
/// `QueueSel`: which queue the queue registers are about.
pub const QUEUE_SEL: Register<WriteOnly> = Register::at(0x030);
/// `QueueSizeMax`: the most descriptors the queue may have; 0 means that there is no such queue.
pub const QUEUE_SIZE_MAX: Register<ReadOnly> = Register::at(0x034);
/// `QueueSize`: how many descriptors it has.
pub const QUEUE_SIZE: Register<WriteOnly> = Register::at(0x038);
/// `QueueAlign` (version 1): what the used ring is aligned to, in bytes.
pub const QUEUE_ALIGN: Register<WriteOnly> = Register::at(0x03c);
/// `QueuePFN` (version 1): the queue's first page; 0 means that it is not in use.
pub const QUEUE_PFN: Register<ReadWrite> = Register::at(0x040);
/// `QueueReady` (version 2): 1 makes the queue live.
pub const QUEUE_READY: Register<ReadWrite> = Register::at(0x044);
/// `QueueNotify`: writing a queue's index, or notification data, makes the device look at the queue (§4.2.3.3).
pub const QUEUE_NOTIFY: Register<WriteOnly> = Register::at(0x050);
/// `InterruptStatus`: why the device interrupts.
pub const INTERRUPT_STATUS: Register<ReadOnly> = Register::at(0x060);
/// `InterruptACK`: the causes that were handled.
pub const INTERRUPT_ACK: Register<WriteOnly> = Register::at(0x064);
/// `Status`: the device status; writing 0 resets the device.
pub const STATUS: Register<ReadWrite> = Register::at(0x070);
/// `QueueDescLow` (version 2): descriptor area, bits 0 to 31.
pub const QUEUE_DESC_LOW: Register<WriteOnly> = Register::at(0x080);
/// `QueueDescHigh` (version 2): descriptor area, bits 32 to 63.
pub const QUEUE_DESC_HIGH: Register<WriteOnly> = Register::at(0x084);
/// `QueueDriverLow` (version 2): driver area, bits 0 to 31.
pub const QUEUE_DRIVER_LOW: Register<WriteOnly> = Register::at(0x090);
/// `QueueDriverHigh` (version 2): driver area, bits 32 to 63.
pub const QUEUE_DRIVER_HIGH: Register<WriteOnly> = Register::at(0x094);
/// `QueueDeviceLow` (version 2): device area, bits 0 to 31.
pub const QUEUE_DEVICE_LOW: Register<WriteOnly> = Register::at(0x0a0);
/// `QueueDeviceHigh` (version 2): device area, bits 32 to 63.
pub const QUEUE_DEVICE_HIGH: Register<WriteOnly> = Register::at(0x0a4);
/// `QueueReset` (version 2): with VIRTIO_F_RING_RESET, 1 resets the queue, and it reads 1 until that is done.
pub const QUEUE_RESET: Register<ReadWrite> = Register::at(0x0c0);
/// `ConfigGeneration` (version 2): changes with the configuration.
pub const CONFIG_GENERATION: Register<ReadOnly> = Register::at(0x0fc);
