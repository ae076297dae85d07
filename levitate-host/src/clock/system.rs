//! The time of the machine: [`SystemClock`].

use std::time;

use levitate_hal::{Clock, Instant};

/// A clock that shows how long it has been there, for drivers of a device with a thread of its own.
///
/// Clones show the same time.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: time::Instant,
}

impl SystemClock {
    /// Makes a clock that starts at its epoch now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::from_nanos(0).after(self.start.elapsed())
    }

    /// Lets another thread go first: the device's, on a machine with few processors.
    fn relax(&self) {
        std::thread::yield_now();
    }

    /// On a busy machine each may have it for milliseconds.
    fn turns_per_reading(&self) -> u32 {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use levitate_hal::Deadline;

    #[test]
    fn time_goes_on_by_itself_and_never_back() {
        let clock = SystemClock::new();
        let deadline = Deadline::after(&clock, Duration::from_millis(2));
        let mut last = clock.now();
        let outcome = deadline.poll(&clock, || {
            let now = clock.now();
            assert!(now >= last);
            last = now;
            None::<()>
        });
        assert_eq!(outcome, None);
        assert!(last.as_nanos() >= 2_000_000);
    }
}
