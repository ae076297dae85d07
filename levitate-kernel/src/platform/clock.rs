//! The machine's counter as a [`Clock`].

use levitate_hal::{Clock, Instant};

use crate::arch;

/// Time since the machine was switched on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelClock;

impl Clock for KernelClock {
    fn now(&self) -> Instant {
        arch::clock::now()
    }

    fn relax(&self) {
        arch::clock::relax();
    }
}
