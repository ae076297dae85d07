//! What a test makes a device do, and what it learns of it: the same behind each transport.

use super::AnyDevice;
use crate::device::{
    Behaviour, Completion, Core, DeviceModel, Fault, Source, Violation, controls, refuse,
};
use crate::mmio::{AccessLog, Operation};
use crate::queue::{Areas, RingError};

/// Where MMIO has the device status.
const MMIO_STATUS: usize = 0x070;
/// Where MMIO has `QueueNotify`.
const MMIO_NOTIFY: usize = 0x050;
/// Where MMIO has the configuration of the device type.
const MMIO_CONFIG: usize = 0x100;

/// The BAR that the modelled devices have all of VirtIO in.
const PCI_BAR: u8 = 4;
/// Where the device status is there.
const PCI_STATUS: usize = 0x0014;
/// Where the configuration of the device type is there.
const PCI_CONFIG: usize = 0x2000;
/// Where queues are notified there; nothing is behind that.
const PCI_NOTIFY: usize = 0x3000;

controls!(AnyDevice);

impl<M: DeviceModel> AnyDevice<M> {
    /// Makes the device look at `queue` without a notification, as one that polls does.
    pub fn look_at(&self, queue: u16) {
        match self {
            Self::Mmio(device) => device.look_at(queue),
            Self::Pci(device, _) => device.look_at(queue),
        }
    }

    /// Says whether the interrupt line is up; with MSI-X it never is.
    #[must_use]
    pub fn is_interrupting(&self) -> bool {
        match self {
            Self::Mmio(device) => device.is_interrupting(),
            Self::Pci(device, _) => device.is_interrupting(),
        }
    }

    /// Returns what is wrong with how the driver uses the transport, and breaks no rule of VirtIO.
    #[must_use]
    pub fn guest_errors(&self) -> Vec<String> {
        match self {
            Self::Mmio(device) => device.guest_errors(),
            Self::Pci(device, _) => device.guest_errors(),
        }
    }

    /// Returns everything [`assert_clean`](Self::assert_clean) would complain of, and forgets it, for a test that means it.
    #[must_use]
    pub fn take_complaints(&self) -> Vec<String> {
        match self {
            Self::Mmio(device) => device.take_complaints(),
            Self::Pci(device, _) => device.take_complaints(),
        }
    }

    fn with_core<R>(&self, act: impl FnOnce(&mut Core<M>) -> R) -> R {
        match self {
            Self::Mmio(device) => device.with_core(act),
            Self::Pci(device, _) => device.with_core(act),
        }
    }

    /// Returns the accesses to the device's registers so far; those to configuration space of PCI are not among them.
    #[must_use]
    pub fn log(&self) -> AccessLog {
        match self {
            Self::Mmio(device) => device.log(),
            Self::Pci(device, _) => device.bar_log(PCI_BAR),
        }
    }

    /// Forgets the accesses so far.
    pub fn clear_log(&self) {
        match self {
            Self::Mmio(device) => device.clear_log(),
            Self::Pci(device, _) => device.clear_logs(),
        }
    }

    /// Returns what was written to the device status so far.
    #[must_use]
    pub fn statuses(&self) -> Vec<u64> {
        self.log().writes_to(self.status_offset())
    }

    /// Returns where in [`log`](Self::log) the device status is.
    #[must_use]
    pub const fn status_offset(&self) -> usize {
        match self {
            Self::Mmio(_) => MMIO_STATUS,
            Self::Pci(..) => PCI_STATUS,
        }
    }

    /// Returns what the device was notified with so far.
    #[must_use]
    pub fn notifications(&self) -> Vec<u64> {
        let log = self.log();
        match self {
            Self::Mmio(_) => log.writes_to(MMIO_NOTIFY),
            Self::Pci(..) => log
                .all()
                .iter()
                .filter(|access| {
                    access.operation == Operation::Write && access.offset >= PCI_NOTIFY
                })
                .map(|access| access.value)
                .collect(),
        }
    }

    /// Returns where in [`log`](Self::log) the configuration of the device type begins.
    #[must_use]
    pub const fn config_offset(&self) -> usize {
        match self {
            Self::Mmio(_) => MMIO_CONFIG,
            Self::Pci(..) => PCI_CONFIG,
        }
    }
}
