//! How a driver reaches a device: the [`Transport`] trait and its implementations (§4).

use core::fmt;

use levitate_hal::DmaAddr;

use crate::device_type::DeviceType;
use crate::features::Features;
use crate::queue::{QueueIndex, QueueSize, layout};
use crate::status::Status;

mod access;
mod any;
mod error;
pub mod mmio;
pub mod pci;

pub use access::{ReadOnly, ReadWrite, Readable, Writable, WriteOnly};
pub use any::{AnyInterrupt, AnyNotifier, AnyTransport};
pub use error::{Area, EnableQueueError, VectorRefused};
pub use mmio::{MmioError, MmioTransport};
pub use pci::{PciError, PciTransport};

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

impl QueueAreas {
    /// Says which area is not aligned as §2.7 asks, if one is.
    fn check_separate(&self, queue: QueueIndex) -> Result<(), EnableQueueError> {
        for (area, addr, align) in [
            (
                Area::Descriptor,
                self.descriptor,
                layout::DESCRIPTOR_TABLE_ALIGN,
            ),
            (Area::Driver, self.driver, layout::AVAILABLE_RING_ALIGN),
            (Area::Device, self.device, layout::USED_RING_ALIGN),
        ] {
            if !addr.is_aligned_to(align as u64) {
                return Err(EnableQueueError::Misplaced {
                    queue,
                    area,
                    addr,
                    interface: Interface::Modern,
                });
            }
        }
        Ok(())
    }
}

/// How the areas of a virtqueue have to lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Each area by itself, aligned as §2.7 asks.
    Separate,
    /// One block from a page boundary on, the used ring at the next one, with pages of 4096 bytes (§2.7.2).
    Block,
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
    /// Sends an available buffer notification; `next` says where the next buffer will be made available (§2.9).
    ///
    /// For a split virtqueue that is the available index, for a packed one the offset in the ring (`next_off`, bits 0 to 14) and the
    /// wrap counter of that descriptor (`next_wrap`, bit 15). It is sent if VIRTIO_F_NOTIFICATION_DATA was accepted.
    fn notify(&self, next: u16);
}

/// What an interrupt handler needs: it takes no lock and changes nothing that a driver uses.
pub trait Interrupt {
    /// Returns why the device interrupted, and acknowledges it (§4.2.3.4, §4.1.4.5).
    ///
    /// Where interrupts are messages there is nothing to acknowledge, and without the vector all that can be the cause is returned:
    /// [`acknowledge_vector`](Self::acknowledge_vector) is more exact.
    fn acknowledge(&self) -> InterruptStatus;

    /// Returns why the device sent the message of MSI-X vector `vector`; where it sends none, this is [`acknowledge`](Self::acknowledge).
    fn acknowledge_vector(&self, vector: u16) -> InterruptStatus {
        let _ = vector;
        self.acknowledge()
    }
}

/// What a transport knows of a queue when a deadline was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// The device says that the queue is enabled.
    Enabled,
    /// The device says that it is not.
    Disabled,
    /// The queue is enabled, and the device cannot serve it as it should.
    CutOff(CutOff),
}

/// What a device makes of being told to reset one queue (§2.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueReset {
    /// It is at it.
    Ongoing,
    /// The queue is reset: the device has no use for its memory, and the queue is not enabled any more.
    Done,
    /// Nothing is under way, and the queue is enabled still.
    Ignored,
}

impl QueueReset {
    /// Judges by two registers, of which the second is looked at once the first reads 0.
    ///
    /// Both read 0 when a reset is done (§4.1.4.3.1, §4.2.2.1). QEMU's virtio-mmio offers VIRTIO_F_RING_RESET and has no `QueueReset`:
    /// that reads 0 whatever was written, and only the other one tells that the queue was left as it is.
    fn judge(is_ongoing: bool, is_enabled: impl FnOnce() -> bool) -> Self {
        if is_ongoing {
            Self::Ongoing
        } else if is_enabled() {
            Self::Ignored
        } else {
            Self::Done
        }
    }
}

/// What keeps a device from serving a queue that it takes for enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CutOff {
    /// The device is gone from its bus.
    Gone,
    /// Bus mastering is off, so that the device reaches no memory: neither the queue, nor the place for its messages.
    NoBusMastering,
    /// The device has dropped the MSI-X vector of the queue, so that nobody hears of its answers.
    NoVector {
        /// The vector the queue was given.
        vector: u16,
        /// What `queue_msix_vector` reads now.
        found: u16,
    },
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => {
                f.write_str("it is gone from its bus, where nothing answers in its place")
            }
            Self::NoBusMastering => f.write_str(
                "bus mastering is off in its PCI command register, so it reaches no memory",
            ),
            Self::NoVector { vector, found } => write!(
                f,
                "its interrupts go nowhere: queue_msix_vector reads {found:#x}, not {vector}"
            ),
        }
    }
}

/// The way to one device (§4).
///
/// It is trusted to pass on what the device says, in particular a status of 0 after a reset, and that a queue is reset: memory is
/// given back upon it.
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

    /// Returns which of [`Features::UP_TO_TRANSPORT`] this transport does for this device; the others are not accepted.
    fn supported_features(&self) -> Features {
        Features::empty()
    }

    /// Reads the feature bits the device offers.
    fn read_device_features(&mut self) -> u64;

    /// Writes the feature bits the driver accepts, and does from then on what they ask of the transport.
    fn write_driver_features(&mut self, features: u64);

    /// Reads the device status.
    fn read_status(&self) -> Status;

    /// Writes the device status; an empty one resets the device.
    fn write_status(&mut self, status: Status);

    /// Returns how the areas of a queue have to lie.
    fn placement(&self) -> Placement;

    /// Has the device notify of configuration changes as the transport was told to; done once between a reset and DRIVER_OK.
    ///
    /// # Errors
    ///
    /// [`VectorRefused`].
    fn map_config_changes(&mut self) -> Result<(), VectorRefused> {
        Ok(())
    }

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
    /// From now on until the device or the queue is reset, and that is confirmed, the areas, as long as `areas.size` says, are
    /// memory that the device may read and write and that is not given back to its pool.
    unsafe fn enable_queue(
        &mut self,
        queue: QueueIndex,
        areas: &QueueAreas,
    ) -> Result<(), EnableQueueError>;

    /// Tells the device to reset one queue, unless it is at it already; does nothing if VIRTIO_F_RING_RESET was not accepted (§2.6.1).
    fn start_queue_reset(&mut self, queue: QueueIndex) {
        let _ = queue;
    }

    /// Reads what has become of the reset of a queue; [`QueueReset::Ignored`] if VIRTIO_F_RING_RESET was not accepted.
    ///
    /// A queue that is reset can be enabled again.
    fn read_queue_reset(&mut self, queue: QueueIndex) -> QueueReset {
        let _ = queue;
        QueueReset::Ignored
    }

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

/// Returns the low and the high 32 bits.
fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}

/// Returns what a notification with VIRTIO_F_NOTIFICATION_DATA is: which queue, and where it goes on (§2.9).
fn notification_data(queue: u16, next: u16) -> u32 {
    u32::from(next) << 16 | u32::from(queue)
}
