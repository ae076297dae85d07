//! What a driver and a test hold of a device: [`PciDevice`].

use std::fmt;
use std::sync::{Arc, Mutex};

use levitate_hal::Instant;

use super::builder::PciBuilder;
use super::function::{Function, Message};
use super::region::{PciRegion, Place};
use crate::clock::VirtualClock;
use crate::device::DeviceModel;
use crate::mmio::AccessLog;
use crate::sync::lock;

/// A device behind PCI, for a driver to drive and for a test to look into.
///
/// Clones are the same device: give the driver its regions and keep the device.
/// It serves its queues on the thread that notifies it or moves the clock.
pub struct PciDevice<M: DeviceModel> {
    function: Arc<Mutex<Function<M>>>,
    clock: VirtualClock,
}

impl<M: DeviceModel> Clone for PciDevice<M> {
    fn clone(&self) -> Self {
        Self {
            function: self.function.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl<M: DeviceModel> PciDevice<M> {
    /// Chooses how a device shall be.
    pub fn builder(model: M) -> PciBuilder<M> {
        PciBuilder::new(model)
    }

    pub(super) fn plug_in(function: Function<M>, clock: &VirtualClock) -> Self {
        Self {
            function: Arc::new(Mutex::new(function)),
            clock: clock.clone(),
        }
    }

    /// Returns its configuration space, 4096 bytes as in ECAM.
    #[must_use]
    pub fn config_space(&self) -> PciRegion<M> {
        PciRegion::new(self.clone(), Place::Config)
    }

    /// Returns a BAR, 0 to 5; where there is none, it is empty.
    ///
    /// # Panics
    ///
    /// If there is no such register.
    #[must_use]
    pub fn bar(&self, index: u8) -> PciRegion<M> {
        assert!(index < 6, "a function has six BARs");
        PciRegion::new(self.clone(), Place::Bar(index))
    }

    /// Says whether the interrupt line is up: without MSI-X, while the ISR status is not 0 and the line is not disabled.
    #[must_use]
    pub fn is_interrupting(&self) -> bool {
        self.with(|function| function.is_line_up())
    }

    /// Returns the messages of MSI-X since the last time, oldest first.
    #[must_use]
    pub fn take_messages(&self) -> Vec<Message> {
        self.with(|function| std::mem::take(&mut function.messages))
    }

    /// Returns the accesses to configuration space so far.
    #[must_use]
    pub fn config_log(&self) -> AccessLog {
        self.with(|function| function.config_log.clone())
    }

    /// Returns the accesses to a BAR so far, also those through the window in configuration space.
    ///
    /// # Panics
    ///
    /// If there is no such register.
    #[must_use]
    pub fn bar_log(&self, index: u8) -> AccessLog {
        self.with(|function| function.bar_logs[usize::from(index)].clone())
    }

    /// Forgets the accesses so far.
    pub fn clear_logs(&self) {
        self.with(|function| {
            function.config_log = AccessLog::default();
            function.bar_logs = Default::default();
        });
    }

    /// Does something to the device, and has it say what it has to say about it.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Function<M>) -> R) -> R {
        let mut function = lock(&self.function);
        let result = act(&mut function);
        function.deliver();
        result
    }

    /// Has the device called when its answers are due.
    pub(super) fn plan(&self, due: Option<Instant>) {
        if let Some(due) = due {
            let device = Arc::downgrade(&self.function);
            self.clock.at(due, move || {
                if let Some(device) = device.upgrade() {
                    let mut function = lock(&device);
                    function.core.answer_due();
                    function.deliver();
                }
            });
        }
    }
}

impl<M: DeviceModel> fmt::Debug for PciDevice<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PciDevice(status {:#x})", self.status())
    }
}
