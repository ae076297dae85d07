//! Virtio over MMIO, both register versions: [`MmioTransport`] (§4.2).
//!
//! Version 1 is what QEMU gives by default on most machines. Each version ignores the other's queue registers without a word,
//! so the version is read once, decides which set is used, and what was set is read back.

use levitate_hal::{Barriers, Mmio};
use thiserror::Error;

use super::{
    EnableQueueError, Interface, Interrupt, InterruptStatus, Notify, Placement, QueueAreas,
    QueueReset, QueueState, Transport, halves, notification_data,
};
use crate::device_type::DeviceType;
use crate::features::Features;
use crate::queue::QueueIndex;
use crate::status::Status;

mod enable;
mod queue_reset;
pub mod registers;

use registers as reg;

/// Why there is no usable device behind a register region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MmioError {
    /// The region is too short to hold the registers.
    #[error(
        "register region of {len_bytes} bytes is shorter than the {needed_bytes} bytes of virtio-mmio"
    )]
    RegionTooShort {
        /// Length of the region.
        len_bytes: usize,
        /// Length of the control registers.
        needed_bytes: usize,
    },
    /// Something else than a VirtIO device is there.
    #[error("magic value reads {found:#010x}, not 0x74726976: no virtio-mmio device is here")]
    BadMagic {
        /// What the register reads.
        found: u32,
    },
    /// The device has a register layout nobody has specified yet.
    #[error("virtio-mmio version {version} is not supported, only 1 (legacy) and 2")]
    UnsupportedVersion {
        /// What the register reads.
        version: u32,
    },
    /// A legacy device takes the CPU's byte order, which this crate only knows to be little-endian.
    #[error("legacy (version 1) devices are not supported on a big-endian CPU")]
    LegacyBigEndian,
}

/// A device behind memory-mapped registers (§4.2).
#[derive(Debug)]
pub struct MmioTransport<M> {
    mmio: M,
    interface: Interface,
    device_type: DeviceType,
    /// What was accepted of the features that this transport does something for.
    accepted: Features,
}

impl<M: Mmio> MmioTransport<M> {
    /// Looks for a device behind `mmio`; `None` if the transport is there but no device is plugged in.
    ///
    /// # Errors
    ///
    /// [`MmioError`]: nothing was written.
    pub fn probe(mmio: M) -> Result<Option<Self>, MmioError> {
        if mmio.len_bytes() < reg::CONFIG {
            let len_bytes = mmio.len_bytes();
            return Err(MmioError::RegionTooShort {
                len_bytes,
                needed_bytes: reg::CONFIG,
            });
        }
        let found = reg::MAGIC_VALUE.read(&mmio);
        if found != reg::MAGIC {
            return Err(MmioError::BadMagic { found });
        }
        let interface = match reg::VERSION.read(&mmio) {
            1 if cfg!(target_endian = "big") => return Err(MmioError::LegacyBigEndian),
            1 => Interface::Legacy,
            2 => Interface::Modern,
            version => return Err(MmioError::UnsupportedVersion { version }),
        };
        let device_type = DeviceType::new(reg::DEVICE_ID.read(&mmio));
        Ok(device_type.map(|device_type| Self {
            mmio,
            interface,
            device_type,
            accepted: Features::empty(),
        }))
    }

    fn config_offset(offset: usize) -> usize {
        // Past the end of the address space there is no register either.
        offset.saturating_add(reg::CONFIG)
    }
}

impl<M: Mmio> Transport for MmioTransport<M> {
    type Notifier = MmioNotifier<M>;
    type Interrupt = MmioInterrupt<M>;

    fn device_type(&self) -> DeviceType {
        self.device_type
    }

    fn interface(&self) -> Interface {
        self.interface
    }

    fn supported_features(&self) -> Features {
        match self.interface {
            // It ends with bit 31.
            Interface::Legacy => Features::empty(),
            // What would be sent instead of the queue's index, only PCI says (§6).
            Interface::Modern => Features::NOTIFICATION_DATA | Features::RING_RESET,
        }
    }

    fn read_device_features(&mut self) -> u64 {
        reg::DEVICE_FEATURES_SEL.write(&self.mmio, 0);
        let low = reg::DEVICE_FEATURES.read(&self.mmio);
        let high = match self.interface {
            // A legacy device has 32 feature bits.
            Interface::Legacy => 0,
            Interface::Modern => {
                reg::DEVICE_FEATURES_SEL.write(&self.mmio, 1);
                reg::DEVICE_FEATURES.read(&self.mmio)
            }
        };
        u64::from(high) << 32 | u64::from(low)
    }

    fn write_driver_features(&mut self, features: u64) {
        self.accepted = Features::from_bits_truncate(features) & self.supported_features();
        let [low, high] = halves(features);
        reg::DRIVER_FEATURES_SEL.write(&self.mmio, 0);
        reg::DRIVER_FEATURES.write(&self.mmio, low);
        if self.interface == Interface::Modern {
            reg::DRIVER_FEATURES_SEL.write(&self.mmio, 1);
            reg::DRIVER_FEATURES.write(&self.mmio, high);
        }
    }

    fn read_status(&self) -> Status {
        let [status, ..] = reg::STATUS.read(&self.mmio).to_le_bytes();
        Status::from_bits_retain(status)
    }

    fn write_status(&mut self, status: Status) {
        reg::STATUS.write(&self.mmio, u32::from(status.bits()));
    }

    fn placement(&self) -> Placement {
        match self.interface {
            Interface::Legacy => Placement::Block,
            Interface::Modern => Placement::Separate,
        }
    }

    fn read_max_queue_size(&mut self, queue: QueueIndex) -> Result<u32, EnableQueueError> {
        enable::read_max_size(&self.mmio, self.interface, queue)
    }

    unsafe fn enable_queue(
        &mut self,
        queue: QueueIndex,
        areas: &QueueAreas,
    ) -> Result<(), EnableQueueError> {
        match self.interface {
            Interface::Legacy => enable::legacy(&self.mmio, queue, areas),
            Interface::Modern => enable::modern(&self.mmio, queue, areas),
        }
    }

    fn start_queue_reset(&mut self, queue: QueueIndex) {
        if self.accepted.contains(Features::RING_RESET) {
            queue_reset::start(&self.mmio, queue);
        }
    }

    fn read_queue_reset(&mut self, queue: QueueIndex) -> QueueReset {
        match self.accepted.contains(Features::RING_RESET) {
            true => queue_reset::read(&self.mmio, queue),
            false => QueueReset::Ignored,
        }
    }

    fn read_queue_state(&mut self, queue: QueueIndex) -> QueueState {
        reg::QUEUE_SEL.write(&self.mmio, u32::from(queue.get()));
        match enable::is_enabled(&self.mmio, self.interface) {
            true => QueueState::Enabled,
            false => QueueState::Disabled,
        }
    }

    fn notifier(&self, queue: QueueIndex) -> MmioNotifier<M> {
        MmioNotifier {
            mmio: self.mmio.clone(),
            queue,
            has_data: self.accepted.contains(Features::NOTIFICATION_DATA),
        }
    }

    fn interrupt(&self) -> MmioInterrupt<M> {
        MmioInterrupt {
            mmio: self.mmio.clone(),
        }
    }

    fn config_len_bytes(&self) -> usize {
        self.mmio.len_bytes().saturating_sub(reg::CONFIG)
    }

    fn read_config_generation(&self) -> Option<u32> {
        match self.interface {
            Interface::Legacy => None,
            Interface::Modern => Some(reg::CONFIG_GENERATION.read(&self.mmio)),
        }
    }

    fn read_config8(&self, offset: usize) -> u8 {
        self.mmio.read8(Self::config_offset(offset))
    }

    fn read_config16(&self, offset: usize) -> u16 {
        self.mmio.read16(Self::config_offset(offset))
    }

    fn read_config32(&self, offset: usize) -> u32 {
        self.mmio.read32(Self::config_offset(offset))
    }

    fn write_config8(&mut self, offset: usize, value: u8) {
        self.mmio.write8(Self::config_offset(offset), value);
    }

    fn write_config16(&mut self, offset: usize, value: u16) {
        self.mmio.write16(Self::config_offset(offset), value);
    }

    fn write_config32(&mut self, offset: usize, value: u32) {
        self.mmio.write32(Self::config_offset(offset), value);
    }
}

/// Notifies one queue of an MMIO device: one register write (§4.2.3.3).
#[derive(Clone, Debug)]
pub struct MmioNotifier<M> {
    mmio: M,
    queue: QueueIndex,
    /// Whether VIRTIO_F_NOTIFICATION_DATA was accepted.
    has_data: bool,
}

impl<M: Mmio> Notify for MmioNotifier<M> {
    fn notify(&self, next: u16) {
        let queue = self.queue.get();
        let value = match self.has_data {
            true => notification_data(queue, next),
            false => queue.into(),
        };
        Barriers::Platform.before_notify();
        reg::QUEUE_NOTIFY.write(&self.mmio, value);
    }
}

/// Acknowledges the interrupts of an MMIO device (§4.2.3.4).
#[derive(Clone, Debug)]
pub struct MmioInterrupt<M> {
    mmio: M,
}

impl<M: Mmio> Interrupt for MmioInterrupt<M> {
    fn acknowledge(&self) -> InterruptStatus {
        let [causes, ..] = reg::INTERRUPT_STATUS.read(&self.mmio).to_le_bytes();
        // Undefined bits are neither looked at nor acknowledged.
        let causes = InterruptStatus::from_bits_truncate(causes);
        if !causes.is_empty() {
            reg::INTERRUPT_ACK.write(&self.mmio, u32::from(causes.bits()));
        }
        causes
    }
}
