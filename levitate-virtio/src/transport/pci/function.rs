//! One function of a PCI bus, through its configuration space: [`Function`] (§4.1.2).

use core::fmt;

use pci_types::{CommandRegister, ConfigRegionAccess, PciAddress, StatusRegister};

use crate::device_type::DeviceType;

/// The vendor ID of VirtIO devices.
pub const VENDOR: u16 = 0x1af4;
/// What the device ID of a modern device is above its device type.
const MODERN: u16 = 0x1040;
/// The last device ID there can be of a modern device.
const MODERN_LAST: u16 = 0x107f;
/// The first device ID of a transitional device.
const TRANSITIONAL: u16 = 0x1000;

/// Vendor ID, and device ID above it.
const IDS: u8 = 0x00;
/// Command, and status above it.
const COMMAND: u8 = 0x04;
/// Cache line size, latency timer, header type, self test.
const HEADER: u8 = 0x0c;
/// Subsystem vendor ID, and subsystem device ID above it.
const SUBSYSTEM: u8 = 0x2c;
/// Where the capability list begins.
const CAPABILITIES_POINTER: u8 = 0x34;
/// In the header type: there may be functions besides the first.
const MULTIFUNCTION: u8 = 1 << 7;

/// Whether a function may pull its interrupt line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptLine {
    /// It may: interrupts come by INTx.
    Enabled,
    /// It may not: interrupts come by MSI-X, or not at all.
    Disabled,
}

/// A function of a PCI bus, by the first 256 bytes of its configuration space.
///
/// INVARIANT: any aligned 32 bits of those may be read and written through `access` at `address`.
#[derive(Clone)]
pub struct Function<A> {
    access: A,
    address: PciAddress,
}

impl<A: ConfigRegionAccess> Function<A> {
    /// Names the function at `address`, whether there is one or not.
    ///
    /// [`EcamAccess::function`](super::EcamAccess::function) does the same without a promise.
    ///
    /// # Safety
    ///
    /// Through `access`, the first 256 bytes of configuration space at `address` can be read and written 32 bits at a time,
    /// also if no function is there.
    pub const unsafe fn new(access: A, address: PciAddress) -> Self {
        Self { access, address }
    }

    /// Returns where it is.
    #[must_use]
    pub const fn address(&self) -> PciAddress {
        self.address
    }

    /// Returns the way to its configuration space.
    #[must_use]
    pub const fn access(&self) -> &A {
        &self.access
    }

    /// Reads the vendor ID and the device ID; `None` if there is no function.
    #[must_use]
    pub fn read_ids(&self) -> Option<(u16, u16)> {
        let [vendor, device] = self.read_halves(IDS);
        (vendor != u16::MAX).then_some((vendor, device))
    }

    /// Reads whether it is an endpoint, which has BARs and capabilities where a driver looks for them.
    #[must_use]
    pub fn is_endpoint(&self) -> bool {
        self.read_header_type() == 0
    }

    /// Reads which VirtIO device its IDs tell of, modern or transitional, of any revision; `None` if they tell of none (§4.1.2).
    ///
    /// A transitional device has the modern interface if it has the capabilities for it, which
    /// [`PciTransport::probe`](super::PciTransport::probe) finds out.
    #[must_use]
    pub fn read_device_type(&self) -> Option<DeviceType> {
        let (vendor, device) = self.read_ids()?;
        if vendor != VENDOR || !self.is_endpoint() {
            return None;
        }
        let id = match device {
            MODERN..=MODERN_LAST => device.checked_sub(MODERN)?,
            // Some transitional devices have an ID of their own, and all have their type as the ID of their subsystem.
            TRANSITIONAL..MODERN => match transitional_type(device) {
                Some(id) => id,
                None => self.read_halves(SUBSYSTEM)[1],
            },
            _ => return None,
        };
        DeviceType::new(id.into())
    }

    /// Reads whether its IDs are those of a transitional device, which may have the legacy interface alone.
    pub(super) fn is_transitional(&self) -> bool {
        let [vendor, device] = self.read_halves(IDS);
        vendor == VENDOR && (TRANSITIONAL..MODERN).contains(&device)
    }

    /// Lets the function answer at its BARs and reach memory, and says whether it may pull its interrupt line.
    ///
    /// From then on its BARs decode and it may write to memory, so this comes after [`measure_bars`](Self::measure_bars), and after
    /// [`assign_bars`](Self::assign_bars) unless firmware has given them addresses. With the line enabled, MSI-X is turned off, which
    /// firmware may have left on, and with which the line would stay down.
    pub fn turn_on(&self, line: InterruptLine) {
        if line == InterruptLine::Enabled {
            self.turn_msix_off();
        }
        let mut command = self.read_command();
        command |= CommandRegister::MEMORY_ENABLE | CommandRegister::BUS_MASTER_ENABLE;
        command.set(
            CommandRegister::INTERRUPT_DISABLE,
            line == InterruptLine::Disabled,
        );
        self.write_command(command);
    }

    /// Reads the command register.
    #[must_use]
    pub fn read_command(&self) -> CommandRegister {
        CommandRegister::from_bits_retain(self.read_halves(COMMAND)[0])
    }

    /// Writes the command register, and none of the bits of the status register that are cleared by writing 1.
    pub(super) fn write_command(&self, command: CommandRegister) {
        self.write32(COMMAND, command.bits().into());
    }

    /// Reads where the capability list begins; 0 if there is none.
    pub(super) fn read_capabilities_pointer(&self) -> u8 {
        let status = StatusRegister::new(self.read_halves(COMMAND)[1]);
        match status.has_capability_list() {
            true => self.read_bytes(CAPABILITIES_POINTER)[0],
            false => 0,
        }
    }

    /// Reads whether there may be functions besides the first.
    pub(super) fn is_multifunction(&self) -> bool {
        self.read_bytes(HEADER)[2] & MULTIFUNCTION != 0
    }

    /// Reads the type of the header: 0 is that of an endpoint.
    pub(super) fn read_header_type(&self) -> u8 {
        self.read_bytes(HEADER)[2] & !MULTIFUNCTION
    }

    fn read_halves(&self, offset: u8) -> [u16; 2] {
        let [a, b, c, d] = self.read_bytes(offset);
        [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])]
    }

    pub(super) fn read_bytes(&self, offset: u8) -> [u8; 4] {
        self.read32(offset).to_le_bytes()
    }

    /// Reads the 32 bits that `offset` is in.
    pub(super) fn read32(&self, offset: u8) -> u32 {
        // SAFETY: the offset is aligned by the mask, and below 256 by its type (invariant).
        unsafe { self.access.read(self.address, u16::from(offset & !3)) }
    }

    /// Writes the 32 bits that `offset` is in.
    pub(super) fn write32(&self, offset: u8, value: u32) {
        // SAFETY: the offset is aligned by the mask, and below 256 by its type (invariant).
        unsafe {
            self.access
                .write(self.address, u16::from(offset & !3), value)
        }
    }
}

/// Returns the device type of those transitional devices that have an ID of their own (§4.1.2.1).
const fn transitional_type(device: u16) -> Option<u16> {
    Some(match device {
        // Network, block, traditional memory ballooning, console, SCSI host, entropy source, 9P.
        0x1000 => 1,
        0x1001 => 2,
        0x1002 => 5,
        0x1003 => 3,
        0x1004 => 8,
        0x1005 => 4,
        0x1009 => 9,
        _ => return None,
    })
}

impl<A> fmt::Debug for Function<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.address)
    }
}
