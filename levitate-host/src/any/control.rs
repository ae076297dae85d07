//! What a test makes a device do, and what it learns of it: the same behind each transport.

use super::AnyDevice;
use crate::device::{Behaviour, DeviceModel, Fault, Violation};
use crate::mmio::{AccessLog, Operation};
use crate::queue::Areas;

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

/// Calls the same method of the device behind whichever transport.
macro_rules! same {
    ($($(#[$meta:meta])* fn $name:ident $(<$type:ident>)? ($($arg:ident: $of:ty),*) $(-> $result:ty)?;)*) => {$(
        $(#[$meta])*
        pub fn $name $(<$type>)? (&self, $($arg: $of),*) $(-> $result)? {
            match self {
                Self::Mmio(device) => device.$name($($arg),*),
                Self::Pci(device, _) => device.$name($($arg),*),
            }
        }
    )*};
}

impl<M: DeviceModel> AnyDevice<M> {
    same! {
        /// Changes switches at run time.
        fn behave(change: impl FnOnce(&mut Behaviour));
        /// Looks into the model, or changes it without the driver being told; the device is locked meanwhile.
        fn model<R>(look: impl FnOnce(&mut M) -> R) -> R;
        /// Changes the model's configuration as a device does: with a new generation and a notification.
        fn change_config<R>(change: impl FnOnce(&mut M) -> R) -> R;
        /// Does [`change_config`](Self::change_config) right after the driver has read configuration `reads` more times.
        fn change_config_after_reads(reads: u32, change: impl FnOnce(&mut M) + Send + 'static);
        /// Makes the device lie with its next answer that no earlier fault is for.
        fn inject(fault: Fault);
        /// Makes the device lie with every answer, or with none.
        fn inject_always(fault: Option<Fault>);
        /// Sets DEVICE_NEEDS_RESET.
        fn set_needs_reset();
        /// Returns queue and head of each request that waits for an answer, oldest first.
        #[must_use]
        fn waiting() -> Vec<(u16, u16)>;
        /// Answers the oldest request that waits; false if none does.
        fn release_one() -> bool;
        /// Answers the request at `position` in [`waiting`](Self::waiting), out of order; false if there is none.
        fn release_at(position: usize) -> bool;
        /// Answers all requests that wait, oldest first, and returns how many.
        fn release_all() -> usize;
        /// Makes the device look at `queue` without a notification, as one that polls does.
        fn look_at(queue: u16);
        /// Writes `avail_event` of `queue`.
        ///
        /// # Panics
        ///
        /// If the queue is not enabled.
        fn set_available_event(queue: u16, value: u16);
        /// Writes `used.flags` of `queue`.
        ///
        /// # Panics
        ///
        /// If the queue is not enabled.
        fn set_used_flags(queue: u16, value: u16);
        /// Says whether the interrupt line is up; with MSI-X it never is.
        #[must_use]
        fn is_interrupting() -> bool;
        /// Returns how often the device has interrupted, whether anybody heard of it or not.
        #[must_use]
        fn interrupts_raised() -> usize;
        /// Returns the device status without the driver having read it.
        #[must_use]
        fn status() -> u8;
        /// Returns the features that hold, 0 before they are agreed on.
        #[must_use]
        fn negotiated() -> u64;
        /// Returns size and place of `queue`, if it is enabled.
        #[must_use]
        fn queue(queue: u16) -> Option<(u16, Areas)>;
        /// Returns how many chains were made available in `queue` that the device has not looked at.
        ///
        /// # Panics
        ///
        /// If the available ring is out of reach.
        #[must_use]
        fn unseen(queue: u16) -> u16;
        /// Returns what is wrong with how the driver uses the transport, and breaks no rule of VirtIO.
        #[must_use]
        fn guest_errors() -> Vec<String>;
        /// Returns the rules the driver has broken.
        #[must_use]
        fn violations() -> Vec<Violation>;
        /// Returns the rules the driver has broken, and forgets them.
        #[must_use]
        fn take_violations() -> Vec<Violation>;
        /// Returns everything [`assert_clean`](Self::assert_clean) would complain of, and forgets it, for a test that means it.
        #[must_use]
        fn take_complaints() -> Vec<String>;
        /// Checks that the driver did nothing wrong as far as the device can see.
        ///
        /// # Panics
        ///
        /// If there are violations, guest errors or ring errors; the message lists them, and they are forgotten.
        fn assert_clean();
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
