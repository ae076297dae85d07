//! The transports of `virtio-drivers`, with what the kernel wants to know of them in a [`Record`]: [`Counted`].

use alloc::sync::Arc;
use core::mem::ManuallyDrop;

use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::pci::bus::PciRoot;
use virtio_drivers::transport::{
    DeviceStatus, DeviceType, InterruptStatus, SomeTransport, Transport,
};
use virtio_drivers::{PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::configuration::Configuration;
use super::record::Record;
use crate::devices::Way;
use crate::drivers::DriverError;
use crate::platform::KernelHal;

/// The queue that is used; a display's other one is not.
pub(super) const QUEUE: u16 = 0;

/// A transport that counts notifications and requests, and leaves the reset at its end to [`Life`](super::Life).
pub(crate) struct Counted {
    /// Never dropped: its drop resets the device, on PCI without a deadline. It owns nothing.
    inner: ManuallyDrop<SomeTransport<'static>>,
    record: Arc<Record>,
}

impl Counted {
    /// Goes to the device that `way` leads to, which is turned on.
    ///
    /// # Errors
    ///
    /// What the transport says.
    pub(crate) fn new(way: &Way) -> core::result::Result<Self, DriverError> {
        let inner = match way {
            Way::Mmio { registers, .. } => {
                let pointer = registers.pointer().ok_or("there are no registers")?;
                let header = pointer.cast::<VirtIOHeader>();
                if !header.is_aligned() {
                    return Err("the registers are not aligned".into());
                }
                // SAFETY:
                // - the registers are mapped for as long as the kernel runs, by the invariant of `Registers`;
                // - the driver that had the device is gone, `Life` has the status to itself once this is not used any more, and the
                //   handler of its interrupt accesses only those two registers that drivers here leave alone.
                SomeTransport::Mmio(unsafe { MmioTransport::new(header, pointer.len()) }?)
            }
            Way::Pci(device) => {
                let configuration = Configuration::new(device.show()?, device.address());
                let function = configuration.function();
                let mut root = PciRoot::new(configuration);
                SomeTransport::Pci(PciTransport::new::<KernelHal, _>(&mut root, function)?)
            }
        };
        Ok(Self {
            inner: ManuallyDrop::new(inner),
            record: Arc::default(),
        })
    }

    /// Returns what is known of it.
    pub(crate) fn record(&self) -> Arc<Record> {
        self.record.clone()
    }
}

impl Transport for Counted {
    fn device_type(&self) -> DeviceType {
        self.inner.device_type()
    }

    fn read_device_features(&mut self) -> u64 {
        self.inner.read_device_features()
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        self.inner.write_driver_features(driver_features);
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.inner.max_queue_size(queue)
    }

    fn notify(&mut self, queue: u16) {
        self.record.count_notification();
        self.inner.notify(queue);
    }

    fn get_status(&self) -> DeviceStatus {
        self.inner.get_status()
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.inner.set_status(status);
    }

    fn set_guest_page_size(&mut self, guest_page_size: u32) {
        self.inner.set_guest_page_size(guest_page_size);
    }

    fn requires_legacy_layout(&self) -> bool {
        self.inner.requires_legacy_layout()
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        self.inner
            .queue_set(queue, size, descriptors, driver_area, device_area);
        if queue == QUEUE {
            // SAFETY: the driver has the area from `KernelHal`, whose addresses are the CPU's too, and which keeps what was released
            // until `Life` has it give that back: only after the drop of this, which ends the record.
            unsafe { self.record.watch(driver_area) };
        }
    }

    /// Does nothing: the crate's own waits for the device without a deadline, and the reset that follows unsets every queue.
    fn queue_unset(&mut self, _queue: u16) {}

    fn queue_used(&mut self, queue: u16) -> bool {
        self.inner.queue_used(queue)
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        self.inner.ack_interrupt()
    }

    fn read_config_generation(&self) -> u32 {
        self.inner.read_config_generation()
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        self.inner.read_config_space(offset)
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: T,
    ) -> Result<()> {
        self.inner.write_config_space(offset, value)
    }
}
