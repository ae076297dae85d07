//! The configuration space of a PCI function, as `virtio-drivers` accesses it: [`Configuration`].

use levitate_virtio::transport::pci::pci_types::{ConfigRegionAccess as _, PciAddress};
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};

use crate::pci::{Access, PciDevice};

/// The configuration space of one function, whichever is asked for.
pub(super) struct Configuration {
    access: Access,
    address: PciAddress,
}

impl Configuration {
    /// Takes that of `device`.
    pub(super) fn of(device: &PciDevice) -> Self {
        let access = device.access().clone();
        let address = device.address();
        Self { access, address }
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
        // SAFETY: `EcamAccess` has the function's registers, and every 32 bits of them may be read; the offset is aligned by the mask.
        unsafe { self.access.read(self.address, u16::from(offset & !3)) }
    }

    fn write_word(&mut self, _function: DeviceFunction, offset: u8, data: u32) {
        // SAFETY: as for a read. The crate writes to measure BARs only, while they do not decode, and restores what was there.
        unsafe {
            self.access
                .write(self.address, u16::from(offset & !3), data)
        };
    }

    unsafe fn unsafe_clone(&self) -> Self {
        let access = self.access.clone();
        let address = self.address;
        Self { access, address }
    }
}
