//! Why a transport refuses to set something up: [`EnableQueueError`], [`VectorRefused`].

use core::fmt;

use levitate_hal::DmaAddr;
use thiserror::Error;

use super::Interface;
use crate::queue::{QueueIndex, QueueSize};

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
    /// The device does not map the queue to the MSI-X vector it was given (§4.1.5.1.2.2).
    #[error(
        "device refuses MSI-X vector {vector} for queue {queue}: queue_msix_vector reads {found:#x}"
    )]
    VectorRefused {
        /// Index of the queue.
        queue: QueueIndex,
        /// The vector.
        vector: u16,
        /// What the register reads: 0xffff, if the device keeps to the rules.
        found: u16,
    },
    /// The place where the queue is notified is not in the notification structure (§4.1.4.4).
    #[error(
        "queue {queue} is notified at {offset:#x}, which is not in the {len_bytes} bytes of the notification structure"
    )]
    NotifiedElsewhere {
        /// Index of the queue.
        queue: QueueIndex,
        /// `queue_notify_off` times `notify_off_multiplier`.
        offset: u64,
        /// Length of the structure, as far as it is mapped.
        len_bytes: usize,
    },
    /// The transport keeps the place where a queue is notified for fewer queues than that.
    #[error(
        "queue {queue} is not among the first {limit}, which are all this transport has room for"
    )]
    BeyondTransport {
        /// Index of the queue.
        queue: QueueIndex,
        /// How many queues the transport has room for.
        limit: usize,
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
            | Self::Misplaced { .. }
            | Self::VectorRefused { .. }
            | Self::NotifiedElsewhere { .. }
            | Self::BeyondTransport { .. } => false,
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

/// The device does not map changes of its configuration to the MSI-X vector they were given (§4.1.5.1.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "device refuses MSI-X vector {vector} for configuration changes: config_msix_vector reads {found:#x}"
)]
pub struct VectorRefused {
    /// The vector.
    pub vector: u16,
    /// What the register reads: 0xffff, if the device keeps to the rules.
    pub found: u16,
}
