//! How a driver reaches a device: the [`Transport`] trait and its implementations (§4).

use core::fmt;

use levitate_hal::DmaAddr;
use thiserror::Error;

use crate::device_type::DeviceType;
use crate::queue::{QueueIndex, QueueSize};
use crate::status::Status;

pub mod mmio;

pub use mmio::{MmioError, MmioTransport};

/// Which interface of the specification the device is used through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interface {
    /// That of drafts before version 1.0, as the 'Legacy Interface' sections describe it.
    Legacy,
    /// That of version 1.0 and later.
    Modern,
}

/// Where the three areas of a virtqueue lie (§2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueAreas {
    /// Number of descriptors.
    pub size: QueueSize,
    /// Descriptor area: the descriptor table of a split virtqueue.
    pub descriptor: DmaAddr,
    /// Driver area: the available ring of a split virtqueue.
    pub driver: DmaAddr,
    /// Device area: the used ring of a split virtqueue.
    pub device: DmaAddr,
}

/// How the areas of a virtqueue have to lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Each area by itself, aligned as §2.7 asks.
    Separate,
    /// One block from a page boundary on, the used ring at the next one, with pages of 4096 bytes (§2.7.2).
    Block,
}

/// Why a virtqueue was not enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnableQueueError {
    /// The device has no such queue.
    #[error("device has no queue {queue}")]
    NoSuchQueue {
        /// Index of the queue.
        queue: QueueIndex,
    },
    /// The queue was enabled before.
    #[error("queue {queue} is already in use")]
    InUse {
        /// Index of the queue.
        queue: QueueIndex,
    },
    /// The queue is larger than the device allows.
    #[error("queue {queue} of {size} descriptors is larger than the {max} the device allows")]
    TooLarge {
        /// Index of the queue.
        queue: QueueIndex,
        /// Descriptors asked for.
        size: QueueSize,
        /// Descriptors the device allows.
        max: u32,
    },
    /// An area is not aligned, or not placed, as the interface demands.
    #[error(
        "{area} area of queue {queue} at {addr} is not where the {interface} interface wants it"
    )]
    Misplaced {
        /// Index of the queue.
        queue: QueueIndex,
        /// Which area.
        area: Area,
        /// Where it lies.
        addr: DmaAddr,
        /// The interface in use.
        interface: Interface,
    },
    /// The device took no notice: its register for it reads 0 after it was written.
    ///
    /// This is what a device of one register version does when it is driven through the registers of the other.
    #[error(
        "queue {queue} did not become ready: {register} reads 0 after it was set; \
         the device ignores the {interface} registers, so it has the other register version"
    )]
    Ignored {
        /// Index of the queue.
        queue: QueueIndex,
        /// The register read back.
        register: &'static str,
        /// The interface whose registers were used.
        interface: Interface,
    },
    /// The register reads back something else than was written.
    #[error("queue {queue} did not become ready: {register} reads {found:#x}, not {expected:#x}")]
    ReadBack {
        /// Index of the queue.
        queue: QueueIndex,
        /// The register read back.
        register: &'static str,
        /// What it should read.
        expected: u32,
        /// What it reads.
        found: u32,
    },
}

impl EnableQueueError {
    /// Says whether the device was told where the queue is, so that its memory must be taken for in use.
    #[must_use]
    pub const fn is_device_told(&self) -> bool {
        match self {
            Self::NoSuchQueue { .. }
            | Self::InUse { .. }
            | Self::TooLarge { .. }
            | Self::Misplaced { .. } => false,
            Self::Ignored { .. } | Self::ReadBack { .. } => true,
        }
    }
}

/// One of the areas of a virtqueue (§2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Descriptor area.
    Descriptor,
    /// Driver area.
    Driver,
    /// Device area.
    Device,
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Descriptor => "descriptor",
            Self::Driver => "driver",
            Self::Device => "device",
        })
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Legacy => "legacy (version 1)",
            Self::Modern => "modern (version 2)",
        })
    }
}

bitflags::bitflags! {
    /// Why the device interrupted (§4.2.2, `InterruptStatus`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct InterruptStatus: u8 {
        /// A used buffer, in whichever queue.
        const USED_BUFFER = 1;
        /// A change of the configuration.
        const CONFIG_CHANGE = 2;
    }
}

/// Tells the device about available buffers of one queue.
pub trait Notify {
    /// Sends an available buffer notification; `available_index` is that of the next buffer to be made available (§2.9).
    fn notify(&self, available_index: u16);
}

/// What an interrupt handler needs: it takes no lock and changes nothing that a driver uses.
pub trait Interrupt {
    /// Reads why the device interrupted and acknowledges it (§4.2.3.4).
    fn acknowledge(&self) -> InterruptStatus;
}

/// What a transport knows of a queue when a deadline was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// The device says that the queue is enabled.
    Enabled,
    /// The device says that it is not.
    Disabled,
}

/// The way to one device (§4).
///
/// It is trusted to pass on what the device says, in particular a status of 0 after a reset: memory is given back upon it.
/// Implementations validate what they read from the device; callers follow the order of §3.1.1, which [`Device`](crate::Device)
/// keeps for them.
pub trait Transport {
    /// Notifies one queue.
    type Notifier: Notify;
    /// Acknowledges the device's interrupts.
    type Interrupt: Interrupt;

    /// Returns what kind of device it is.
    fn device_type(&self) -> DeviceType;

    /// Returns through which interface the device is used.
    fn interface(&self) -> Interface;

    /// Reads the feature bits the device offers.
    fn read_device_features(&mut self) -> u64;

    /// Writes the feature bits the driver accepts.
    fn write_driver_features(&mut self, features: u64);

    /// Reads the device status.
    fn read_status(&self) -> Status;

    /// Writes the device status; an empty one resets the device.
    fn write_status(&mut self, status: Status);

    /// Returns how the areas of a queue have to lie.
    fn placement(&self) -> Placement;

    /// Reads the largest size, not 0, the device allows for a queue that is not in use.
    ///
    /// # Errors
    ///
    /// [`EnableQueueError::InUse`], else [`EnableQueueError::NoSuchQueue`].
    fn read_max_queue_size(&mut self, queue: QueueIndex) -> Result<u32, EnableQueueError>;

    /// Gives the queue's areas to the device.
    ///
    /// # Errors
    ///
    /// [`EnableQueueError`]; what it found wrong before the last step, the device has not been told of.
    ///
    /// # Safety
    ///
    /// From now on until the device is reset, and that is confirmed, the areas, as long as `areas.size` says, are memory
    /// that the device may read and write and that is not given back to its pool.
    unsafe fn enable_queue(
        &mut self,
        queue: QueueIndex,
        areas: &QueueAreas,
    ) -> Result<(), EnableQueueError>;

    /// Reads whether the device takes the queue for enabled.
    fn read_queue_state(&mut self, queue: QueueIndex) -> QueueState;

    /// Returns the handle that notifies `queue`.
    fn notifier(&self, queue: QueueIndex) -> Self::Notifier;

    /// Returns the handle for an interrupt handler.
    fn interrupt(&self) -> Self::Interrupt;

    /// Returns the length of the configuration space in bytes.
    fn config_len_bytes(&self) -> usize;

    /// Reads the configuration generation; `None` if the interface has none.
    fn read_config_generation(&self) -> Option<u32>;

    /// Reads an 8-bit field of the configuration space, all ones outside it.
    fn read_config8(&self, offset: usize) -> u8;

    /// Reads a 16-bit field of the configuration space, all ones outside it.
    fn read_config16(&self, offset: usize) -> u16;

    /// Reads a 32-bit field of the configuration space, all ones outside it.
    fn read_config32(&self, offset: usize) -> u32;

    /// Writes an 8-bit field of the configuration space; outside it, nothing happens.
    fn write_config8(&mut self, offset: usize, value: u8);

    /// Writes a 16-bit field of the configuration space; outside it, nothing happens.
    fn write_config16(&mut self, offset: usize, value: u16);

    /// Writes a 32-bit field of the configuration space; outside it, nothing happens.
    fn write_config32(&mut self, offset: usize, value: u32);
}
