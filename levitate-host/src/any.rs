//! A device behind whichever transport a test is about, and the way of its driver to it: [`AnyDevice`], [`Plug`].

mod control;
mod function;

use std::fmt;

use levitate_hal::MmioPart;
use levitate_virtio::transport::pci::EcamAccess;
use levitate_virtio::{AnyTransport, Interrupt, MmioTransport, PciTransport, Signal};

use crate::clock::VirtualClock;
use crate::device::{Behaviour, DeviceModel};
use crate::dma::{Policy, Pool};
use crate::mmio::{MmioDevice, Version};
use crate::pci::{PciDevice, PciRegion};

/// What a device is plugged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plug {
    /// Memory-mapped registers of one version or the other.
    Mmio(Version),
    /// PCI, interrupting by the line INTx.
    PciLine,
    /// PCI, interrupting by MSI-X: vector 0 is for the configuration, and each queue has one of its own behind it.
    PciMsix,
}

impl Plug {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self::Mmio(Version::One),
        Self::Mmio(Version::Two),
        Self::PciLine,
        Self::PciMsix,
    ];

    /// Those where a device pulls a line until its interrupt is acknowledged.
    pub const LINES: [Self; 3] = [
        Self::Mmio(Version::One),
        Self::Mmio(Version::Two),
        Self::PciLine,
    ];

    /// The policies of memory under which a device of each transport can be reached.
    ///
    /// A page number of version 1 is too short for the CPU addresses of a process.
    pub const UNDER_POLICIES: [(Policy, Self); 8] = [
        (Policy::Identity, Self::Mmio(Version::Two)),
        (Policy::Identity, Self::PciMsix),
        (Policy::Bounce, Self::Mmio(Version::One)),
        (Policy::Bounce, Self::Mmio(Version::Two)),
        (Policy::Bounce, Self::PciLine),
        (Policy::Iommu, Self::Mmio(Version::One)),
        (Policy::Iommu, Self::Mmio(Version::Two)),
        (Policy::Iommu, Self::PciMsix),
    ];
}

impl From<Version> for Plug {
    fn from(version: Version) -> Self {
        Self::Mmio(version)
    }
}

/// The transport of a device on PCI.
pub type ModelledPci<M> = PciTransport<MmioPart<PciRegion<M>>, EcamAccess<PciRegion<M>>>;

/// The transport of a device that may be behind either.
pub type ModelledTransport<M> = AnyTransport<MmioTransport<MmioDevice<M>>, ModelledPci<M>>;

/// A device behind any transport, for a driver to drive and for a test to look into.
///
/// Clones are the same device.
pub enum AnyDevice<M: DeviceModel> {
    /// Behind memory-mapped registers.
    Mmio(MmioDevice<M>),
    /// On PCI; `true` if it is to use MSI-X.
    Pci(PciDevice<M>, bool),
}

impl<M: DeviceModel> AnyDevice<M> {
    /// Plugs a device in.
    pub fn plug(
        plug: Plug,
        model: M,
        pool: &Pool,
        clock: &VirtualClock,
        behave: impl FnOnce(&mut Behaviour),
    ) -> Self {
        let pci = |model, behave| PciDevice::builder(model).behave(behave).build(pool, clock);
        match plug {
            Plug::Mmio(version) => Self::Mmio(
                MmioDevice::builder(model)
                    .version(version)
                    .behave(behave)
                    .build(pool, clock),
            ),
            Plug::PciLine => Self::Pci(pci(model, behave), false),
            Plug::PciMsix => Self::Pci(pci(model, behave), true),
        }
    }

    /// Returns the driver's way to it, as a platform makes one.
    ///
    /// # Panics
    ///
    /// If there is no device to be found.
    #[must_use]
    pub fn transport(&self) -> ModelledTransport<M> {
        match self {
            Self::Mmio(device) => AnyTransport::Mmio(
                MmioTransport::probe(device.clone())
                    .expect("there are registers of VirtIO")
                    .expect("there is a device"),
            ),
            Self::Pci(device, is_msix) => AnyTransport::Pci(device.transport(*is_msix)),
        }
    }
}

impl<M: DeviceModel> AnyDevice<M> {
    /// Does what the handler of its interrupts does, as often as there is one; returns how often that was.
    ///
    /// # Panics
    ///
    /// If one has no reason.
    pub fn deliver(&self, signal: &Signal, handle: &impl Interrupt) -> usize {
        let mut count = 0;
        while self.is_interrupting() {
            assert!(!signal.on_interrupt(handle).is_empty());
            count += 1;
        }
        if let Self::Pci(device, true) = self {
            for message in device.take_messages() {
                assert!(!signal.on_vector(handle, message.vector).is_empty());
                count += 1;
            }
        }
        count
    }

    /// Returns the device with its registers in memory, for a test that touches them itself.
    ///
    /// # Panics
    ///
    /// If it is on PCI.
    #[must_use]
    pub fn mmio(&self) -> &MmioDevice<M> {
        match self {
            Self::Mmio(device) => device,
            Self::Pci(..) => panic!("the device is on PCI"),
        }
    }
}

impl<M: DeviceModel> Clone for AnyDevice<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Mmio(device) => Self::Mmio(device.clone()),
            Self::Pci(device, is_msix) => Self::Pci(device.clone(), *is_msix),
        }
    }
}

impl<M: DeviceModel> fmt::Debug for AnyDevice<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mmio(device) => device.fmt(f),
            Self::Pci(device, _) => device.fmt(f),
        }
    }
}
