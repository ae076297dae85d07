//! The way from virtio-drivers to the device: [`Loopback`].

use std::cell::Cell;
use std::rc::Rc;

use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::device::{Areas, Device};

/// Sectors of the disk, the first field of its configuration.
const CAPACITY_SECTORS: u64 = 1 << 20;

/// What the driver's transport and the device both know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    features: Cell<u64>,
    queue: Cell<Option<Areas>>,
    notifications: Cell<u64>,
}

impl Shared {
    /// Returns the device behind the queue that the driver has set up.
    pub(super) fn device(&self) -> Device {
        let areas = self.queue.get().expect("the driver has set its queue up");
        // SAFETY: the driver keeps it as the specification says, and what it is given lives as long as the program.
        unsafe { Device::new(self.features.get(), areas) }
    }
}

/// A transport that keeps what it is told; a notification only counts.
#[derive(Debug)]
pub(super) struct Loopback {
    shared: Rc<Shared>,
    offered: u64,
    max_queue_size: u16,
    status: DeviceStatus,
}

impl Loopback {
    pub(super) fn new(offered: u64, max_queue_size: u16) -> (Self, Rc<Shared>) {
        let shared = Rc::new(Shared::default());
        let this = Self {
            shared: shared.clone(),
            offered,
            max_queue_size,
            status: DeviceStatus::empty(),
        };
        (this, shared)
    }
}

impl Transport for Loopback {
    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }

    fn read_device_features(&mut self) -> u64 {
        self.offered
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        self.shared.features.set(driver_features);
    }

    fn max_queue_size(&mut self, _queue: u16) -> u32 {
        self.max_queue_size.into()
    }

    #[inline]
    fn notify(&mut self, _queue: u16) {
        let notifications = &self.shared.notifications;
        notifications.set(notifications.get() + 1);
    }

    fn get_status(&self) -> DeviceStatus {
        self.status
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.status = status;
    }

    fn set_guest_page_size(&mut self, _guest_page_size: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(
        &mut self,
        _queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        self.shared.queue.set(Some(Areas {
            size: size as u16,
            descriptor: descriptors,
            driver: driver_area,
            device: device_area,
        }));
    }

    fn queue_unset(&mut self, _queue: u16) {
        self.shared.queue.set(None);
    }

    fn queue_used(&mut self, _queue: u16) -> bool {
        self.shared.queue.get().is_some()
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }

    fn read_config_generation(&self) -> u32 {
        0
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        let config = CAPACITY_SECTORS.to_le_bytes();
        let bytes = config.get(offset..).ok_or(Error::ConfigSpaceTooSmall)?;
        let (value, _) = T::read_from_prefix(bytes).map_err(|_| Error::ConfigSpaceTooSmall)?;
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        _offset: usize,
        _value: T,
    ) -> Result<()> {
        Ok(())
    }
}
