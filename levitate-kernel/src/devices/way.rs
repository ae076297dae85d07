//! Where a device is and how to get to it: [`Location`], [`Way`].

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use levitate_kernel::expectations::Over;
use levitate_virtio::transport::mmio::MmioError;
use levitate_virtio::transport::pci::pci_types::PciAddress;
use levitate_virtio::{
    AnyTransport, DeviceType, Interface, MmioTransport, PciTransport, Transport as _,
};
use thiserror::Error;

use crate::interrupts::Line;
use crate::pci::{self, ConnectError, PciDevice};
use crate::platform::Registers;

/// The transport to every device of this machine.
pub(crate) type KernelTransport =
    AnyTransport<MmioTransport<Registers>, PciTransport<Registers, pci::Access>>;

/// Where a device is, by which it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Location {
    /// At the address of its registers.
    Mmio(usize),
    /// On PCI.
    Pci(PciAddress),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mmio(address) => write!(f, "{address:#x}"),
            Self::Pci(address) => write!(f, "{address}"),
        }
    }
}

/// How to get to a device, as often as it is given to a driver.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// Through memory-mapped registers.
    Mmio {
        /// The registers.
        registers: Registers,
        /// Their version.
        interface: Interface,
        /// The device behind them when they were first looked at.
        device_type: DeviceType,
        /// The line.
        interrupt: Line,
    },
    /// Through PCI.
    Pci(Box<PciDevice>),
}

/// Why there is no way to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum WayError {
    /// The registers say.
    #[error(transparent)]
    Mmio(#[from] MmioError),
    /// PCI says.
    #[error(transparent)]
    Pci(#[from] ConnectError),
    /// It was there before.
    #[error("the device is gone")]
    Gone,
}

impl WayError {
    /// Says whether it is about messages alone, so that the device may be driven without.
    pub(crate) const fn is_about_messages(&self) -> bool {
        match self {
            Self::Pci(error) => error.is_about_messages(),
            Self::Mmio(_) | Self::Gone => false,
        }
    }
}

impl Way {
    /// Looks into a slot for a device with memory-mapped registers; `None` if it is empty.
    ///
    /// # Errors
    ///
    /// [`MmioError`].
    pub(super) fn through(
        registers: Registers,
        interrupt: Line,
    ) -> Result<Option<Self>, MmioError> {
        let transport = MmioTransport::probe(registers.clone())?;
        Ok(transport.map(|transport| Self::Mmio {
            registers,
            interface: transport.interface(),
            device_type: transport.device_type(),
            interrupt,
        }))
    }

    /// Returns a transport to the device, on which nothing has been done.
    ///
    /// # Errors
    ///
    /// [`WayError`].
    pub(crate) fn connect(&self) -> Result<KernelTransport, WayError> {
        Ok(match self {
            Self::Mmio { registers, .. } => {
                let transport = MmioTransport::probe(registers.clone())?;
                AnyTransport::Mmio(transport.ok_or(WayError::Gone)?)
            }
            Self::Pci(device) => AnyTransport::Pci(device.connect()?),
        })
    }

    /// Returns where the device is.
    pub(crate) fn location(&self) -> Location {
        match self {
            Self::Mmio { registers, .. } => Location::Mmio(registers.start()),
            Self::Pci(device) => Location::Pci(device.address()),
        }
    }

    /// Returns what the device is.
    pub(crate) fn device_type(&self) -> DeviceType {
        match self {
            Self::Mmio { device_type, .. } => *device_type,
            Self::Pci(device) => device.device_type(),
        }
    }

    /// Returns its interrupts; over PCI, one for each vector if it sends messages.
    pub(crate) fn lines(&self) -> Vec<Line> {
        match self {
            Self::Mmio { interrupt, .. } => [*interrupt].into(),
            Self::Pci(device) => device.lines(),
        }
    }

    /// Returns the interrupts by which it says that something in this queue is done; a line may be for more than that.
    pub(crate) fn lines_of_queue(&self, queue: u16) -> Vec<Line> {
        match self {
            Self::Pci(device) if device.sends_messages() => {
                device.line_of_queue(queue).into_iter().collect()
            }
            _ => self.lines(),
        }
    }

    /// Returns what is special about it, as far as drivers differ in that.
    pub(crate) fn over(&self) -> Option<Over> {
        match self {
            Self::Mmio { interface, .. } => {
                (*interface == Interface::Legacy).then_some(Over::Legacy)
            }
            Self::Pci(device) => Some(match device.sends_messages() {
                true => Over::Messages,
                false => Over::Line,
            }),
        }
    }

    /// Has the device interrupt without messages from now on; says whether it sent some.
    pub(crate) fn give_up_messages(&mut self) -> bool {
        match self {
            Self::Mmio { .. } => false,
            Self::Pci(device) => device.give_up_messages(),
        }
    }

    /// Says whether it interrupts by messages, and not by a line.
    pub(crate) fn sends_messages(&self) -> bool {
        match self {
            Self::Mmio { .. } => false,
            Self::Pci(device) => device.sends_messages(),
        }
    }
}

/// Its `Display` says which transport it is.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mmio {
                interface: Interface::Legacy,
                ..
            } => "version 1",
            Self::Mmio { .. } => "version 2",
            Self::Pci(_) => "PCI",
        })
    }
}
