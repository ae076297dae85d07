//! The configuration space of a PCI function, as `virtio-drivers` accesses it: [`Configuration`].

use levitate_kernel::checked_function::CheckedFunction;
use levitate_virtio::transport::pci::pci_types::PciAddress;
use log::warn;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};

/// What was checked of one function, whichever is asked for.
pub(super) struct Configuration {
    shown: CheckedFunction,
    address: PciAddress,
}

impl Configuration {
    /// Takes what was checked of the function at `address`.
    pub(super) const fn new(shown: CheckedFunction, address: PciAddress) -> Self {
        Self { shown, address }
    }

    /// Returns what the crate calls the function.
    pub(super) fn function(&self) -> DeviceFunction {
        DeviceFunction {
            bus: self.address.bus(),
            device: self.address.device(),
            function: self.address.function(),
        }
    }
}

impl ConfigurationAccess for Configuration {
    fn read_word(&self, _function: DeviceFunction, offset: u8) -> u32 {
        self.shown.read(offset)
    }

    fn write_word(&mut self, _function: DeviceFunction, offset: u8, data: u32) {
        // The trait has no error.
        if let Err(refused) = self.shown.write(offset, data) {
            warn!("{}: {refused}", self.address);
        }
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self::new(self.shown.clone(), self.address)
    }
}
