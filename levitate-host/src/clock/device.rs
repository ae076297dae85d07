//! The clock that a device goes by: [`DeviceClock`].

use levitate_hal::{Clock as _, Instant};

use super::{SystemClock, VirtualClock};

/// The clock of the device's driver.
#[derive(Clone, Debug)]
pub(crate) enum DeviceClock {
    Virtual(VirtualClock),
    System(SystemClock),
}

impl DeviceClock {
    /// Returns the time, and moves none.
    pub(crate) fn present(&self) -> Instant {
        match self {
            Self::Virtual(clock) => clock.present(),
            Self::System(clock) => clock.now(),
        }
    }

    /// Says whether time goes on while nobody looks, and with it the device.
    pub(crate) const fn is_real(&self) -> bool {
        matches!(self, Self::System(_))
    }
}
