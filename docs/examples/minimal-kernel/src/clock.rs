//! Time, by which no wait for a device is endless: [`Counter`].

use levitate_hal::{Clock, Instant};

use crate::machine;

/// The counter of the CPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter;

impl Clock for Counter {
    fn now(&self) -> Instant {
        let nanoseconds = u128::from(machine::ticks()) * 1_000_000_000;
        let nanoseconds = nanoseconds / u128::from(machine::ticks_per_second());
        Instant::from_nanos(nanoseconds as u64)
    }
}
