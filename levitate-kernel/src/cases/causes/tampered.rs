//! A device's registers with something wrong about them: [`Tampered`].

use alloc::rc::Rc;
use core::cell::Cell;

use levitate_hal::Mmio;
use levitate_virtio::Status;
use levitate_virtio::transport::mmio::registers as mmio;
use levitate_virtio::transport::pci::registers as pci;

use super::names::Name;
use super::told::Told;
use crate::platform::Registers;

/// How registers are read and written; what has no name goes through as it is.
#[derive(Clone, Copy)]
pub(super) struct Access {
    /// Returns what the driver reads of a register that reads `value`.
    pub(super) read: fn(&Device, Name, u32) -> u32,
    /// Returns what is written in place of `value`, if anything is.
    pub(super) write: fn(&Device, Name, u32) -> Option<u32>,
    /// What happens when the driver has given up waiting, before it looks for the reason.
    pub(super) before_diagnosis: fn(&Device),
}

impl Access {
    /// As the device has them.
    pub(super) const UNTOUCHED: Self = Self {
        read: |_, _, value| value,
        write: |_, _, value| Some(value),
        before_diagnosis: |_| {},
    };
}

/// The device behind the registers, whatever its driver is shown.
pub(super) struct Device {
    /// The registers of virtio-mmio, or the common configuration.
    control: Registers,
    is_pci: bool,
    /// What the driver told it.
    pub(super) told: Told,
    /// The notification that was kept back last: where, where in that, and what.
    lost: Cell<Option<(Registers, usize, u32)>>,
}

impl Device {
    /// Names the device behind the registers of virtio-mmio.
    pub(super) fn mmio(control: Registers) -> Rc<Self> {
        Rc::new(Self::new(control, false))
    }

    /// Names the device on PCI with this common configuration.
    pub(super) fn pci(common: Registers) -> Rc<Self> {
        Rc::new(Self::new(common, true))
    }

    fn new(control: Registers, is_pci: bool) -> Self {
        Self {
            control,
            is_pci,
            told: Told::default(),
            lost: Cell::new(None),
        }
    }

    /// Reads whether it is live.
    pub(super) fn is_live(&self) -> bool {
        let status = match self.is_pci {
            true => pci::DEVICE_STATUS.read(&self.control),
            false => mmio::STATUS.read(&self.control).to_le_bytes()[0],
        };
        Status::from_bits_retain(status).contains(Status::DRIVER_OK)
    }

    /// Reads whether it has the registers of version 1.
    pub(super) fn is_version_1(&self) -> bool {
        !self.is_pci && mmio::VERSION.read(&self.control) == 1
    }

    /// Resets it.
    pub(super) fn reset(&self) {
        match self.is_pci {
            true => pci::DEVICE_STATUS.write(&self.control, 0),
            false => mmio::STATUS.write(&self.control, 0),
        }
    }

    /// Sends the notification that was kept back last.
    pub(super) fn notify(&self) {
        if let Some((registers, offset, queue)) = self.lost.take() {
            match self.is_pci {
                true => registers.write16(offset, queue as u16),
                false => registers.write32(offset, queue),
            }
        }
    }
}

/// Which registers of a device they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Those of virtio-mmio.
    Mmio,
    /// The common configuration of PCI.
    Common,
    /// Where queues of PCI are notified.
    Notify,
    /// The others of PCI.
    Other,
}

/// A device's registers, accessed in another way than they should be.
#[derive(Clone)]
pub(super) struct Tampered {
    registers: Registers,
    part: Part,
    access: Access,
    device: Rc<Device>,
}

impl Tampered {
    pub(super) const fn new(
        registers: Registers,
        part: Part,
        access: Access,
        device: Rc<Device>,
    ) -> Self {
        Self {
            registers,
            part,
            access,
            device,
        }
    }

    fn name(&self, offset: usize) -> Name {
        match self.part {
            Part::Mmio => Name::of_mmio(offset),
            Part::Common => Name::of_pci(offset),
            Part::Notify => Name::Notify,
            Part::Other => Name::Other,
        }
    }

    /// Returns what the driver is to see of a register that `read` reads.
    fn read(&self, offset: usize, read: impl FnOnce(&Registers) -> u32) -> u32 {
        let name = self.name(offset);
        // Nothing but the diagnosis looks at a queue of a live device.
        if name.is_queue_state() && self.device.is_live() {
            (self.access.before_diagnosis)(&self.device);
        }
        (self.access.read)(&self.device, name, read(&self.registers))
    }

    /// Has `write` write what is to be written.
    fn write(&self, offset: usize, value: u32, write: impl FnOnce(&Registers, u32)) {
        let name = self.name(offset);
        self.device.told.note(name, value);
        match (self.access.write)(&self.device, name, value) {
            Some(value) => write(&self.registers, value),
            None if name == Name::Notify => {
                let lost = (self.registers.clone(), offset, value);
                self.device.lost.set(Some(lost));
            }
            None => {}
        }
    }
}

impl Mmio for Tampered {
    fn len_bytes(&self) -> usize {
        self.registers.len_bytes()
    }

    fn read8(&self, offset: usize) -> u8 {
        self.read(offset, |registers| registers.read8(offset).into()) as u8
    }

    fn read16(&self, offset: usize) -> u16 {
        self.read(offset, |registers| registers.read16(offset).into()) as u16
    }

    fn read32(&self, offset: usize) -> u32 {
        self.read(offset, |registers| registers.read32(offset))
    }

    fn read64(&self, offset: usize) -> u64 {
        self.registers.read64(offset)
    }

    fn write8(&self, offset: usize, value: u8) {
        self.write(offset, value.into(), |registers, value| {
            registers.write8(offset, value as u8);
        });
    }

    fn write16(&self, offset: usize, value: u16) {
        self.write(offset, value.into(), |registers, value| {
            registers.write16(offset, value as u16);
        });
    }

    fn write32(&self, offset: usize, value: u32) {
        self.write(offset, value, |registers, value| {
            registers.write32(offset, value);
        });
    }

    fn write64(&self, offset: usize, value: u64) {
        self.registers.write64(offset, value);
    }
}
