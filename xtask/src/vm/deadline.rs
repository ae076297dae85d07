//! A point in time by which something must have happened: [`Deadline`].

use std::time::{Duration, Instant};

/// A point in time; what waits for it may be done in several steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// The point in time that is `duration` away.
    pub(crate) fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// Returns the time that is left; zero once it has passed.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Returns whether no time is left.
    pub(crate) fn has_passed(self) -> bool {
        self.left().is_zero()
    }
}
