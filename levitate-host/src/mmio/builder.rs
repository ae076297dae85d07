//! The choices a test has about a device before it is plugged in: [`MmioBuilder`].

use super::handle::MmioDevice;
use super::transport::Transport;
use crate::clock::{DeviceClock, SystemClock, VirtualClock};
use crate::device::{Behaviour, Core, DeviceModel, Family};
use crate::dma::Pool;

/// Which register set a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The legacy one, as QEMU's `virt` machines have by default (§4.2.4).
    One,
    /// The one of the specification (§4.2.2).
    Two,
}

/// How a device shall be; made by [`MmioDevice::builder`].
#[must_use]
pub struct MmioBuilder<M> {
    model: M,
    version: Version,
    behaviour: Behaviour,
}

impl<M: DeviceModel> MmioBuilder<M> {
    pub(super) fn new(model: M) -> Self {
        Self {
            model,
            version: Version::Two,
            behaviour: Behaviour::default(),
        }
    }

    /// Chooses the register set; it is that of version 2 if nobody chooses.
    pub const fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Sets switches that must be right before the driver's first access.
    pub fn behave(mut self, change: impl FnOnce(&mut Behaviour)) -> Self {
        change(&mut self.behaviour);
        self
    }

    /// Plugs the device in; it works on the threads of its users, and never by itself.
    ///
    /// # Panics
    ///
    /// If the model offers what no device may.
    #[must_use]
    pub fn build(self, pool: &Pool, clock: &VirtualClock) -> MmioDevice<M> {
        MmioDevice::plug_in(
            self.transport(pool, DeviceClock::Virtual(clock.clone())),
            clock,
        )
    }

    /// Plugs the device in with a thread of its own, which a notification wakes and which serves while the driver goes on.
    ///
    /// The driver and its user must keep to the rules of [`DeviceMemory`](crate::DeviceMemory): above all, nobody writes what the
    /// device reads at that moment, as a program would that draws into a framebuffer while a frame of it is in flight.
    ///
    /// Whether the driver was right to notify cannot be seen any more, so SPLIT-21 and SPLIT-25 are not checked.
    ///
    /// # Panics
    ///
    /// If the process may not have another thread, or as [`build`](Self::build).
    #[must_use]
    pub fn build_threaded(self, pool: &Pool, clock: &SystemClock) -> MmioDevice<M> {
        MmioDevice::start(self.transport(pool, DeviceClock::System(*clock)), *clock)
    }

    fn transport(self, pool: &Pool, clock: DeviceClock) -> Transport<M> {
        let family = match self.version {
            Version::One => Family::Legacy,
            Version::Two => Family::Modern,
        };
        let core = Core::new(
            self.model,
            family,
            pool.device_memory(),
            clock,
            self.behaviour,
        );
        Transport::new(core, self.version)
    }
}
