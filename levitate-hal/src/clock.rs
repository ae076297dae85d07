//! Monotonic time and deadlines: [`Clock`], [`Instant`] and [`Deadline`].
//!
//! Waits count time, not turns of a loop: the same number of turns is 4 ms in one place and 445 ms in another.

use core::time::Duration;

/// A point in time, in nanoseconds since an epoch of the clock's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// Names the instant `nanoseconds` after the clock's epoch.
    #[must_use]
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Returns the nanoseconds since the clock's epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the time since `earlier`, zero if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Returns the instant `duration` later, the last one there is if it lies beyond.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// A monotonic clock.
pub trait Clock {
    /// Returns the present; never earlier than a value returned before.
    fn now(&self) -> Instant;

    /// Spends a moment in a polling loop, as cheaply as the platform can.
    fn relax(&self) {
        core::hint::spin_loop();
    }

    /// Returns how many turns a polling loop may take between two readings of the clock while they are quick; 0 is as good as 1.
    ///
    /// It is 1 where [`relax`](Self::relax) lets others have the CPU: how long they keep it does not follow from the last time, and a
    /// deadline would be missed by as many of their turns.
    fn turns_per_reading(&self) -> u32 {
        MANY_TURNS
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn relax(&self) {
        (**self).relax();
    }

    fn turns_per_reading(&self) -> u32 {
        (**self).turns_per_reading()
    }
}

/// Turns between two readings of the clock where they are quick: a reading would cost more than the turn.
const MANY_TURNS: u32 = 1 << 12;
/// A turn is quick if it takes less than this part of the timeout, as a power of two: many take less than an eighth then.
const QUICK_LOG2: u32 = 15;

/// The end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    start: Instant,
    end: Instant,
}

impl Deadline {
    /// Sets a deadline `timeout` from now.
    #[must_use]
    pub fn after(clock: &impl Clock, timeout: Duration) -> Self {
        Self::from_instant(clock.now(), timeout)
    }

    /// Sets a deadline `timeout` from `start`, which was read of the clock before.
    #[must_use]
    pub fn from_instant(start: Instant, timeout: Duration) -> Self {
        Self {
            start,
            end: start.after(timeout),
        }
    }

    /// Says whether the deadline has passed.
    #[must_use]
    pub fn is_missed(&self, clock: &impl Clock) -> bool {
        self.is_missed_at(clock.now())
    }

    /// Says whether the deadline has passed at `now`.
    #[must_use]
    pub fn is_missed_at(&self, now: Instant) -> bool {
        now >= self.end
    }

    /// Returns the whole length of the wait this deadline ends.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.end.since(self.start)
    }

    /// Calls `poll` until it returns a value or the deadline passes; `None` means missed.
    ///
    /// `poll` is called at least once, and once more after the deadline: a caller that was not
    /// scheduled for a while still finds what arrived meanwhile.
    ///
    /// The clock is read before each call that is slow only: in a virtual machine that may leave the guest, and have to wait there for the very
    /// device that is waited for. Where a call takes as long as the one before, the wait is at most an eighth longer than it should be;
    /// a clock whose moments may take any time says so ([`Clock::turns_per_reading`]), and is read before each call.
    pub fn poll<R>(&self, clock: &impl Clock, mut poll: impl FnMut() -> Option<R>) -> Option<R> {
        self.poll_at(clock, |_| poll())
    }

    /// As [`poll`](Self::poll), and tells `poll` what the clock read last.
    pub fn poll_at<R>(
        &self,
        clock: &impl Clock,
        mut poll: impl FnMut(Instant) -> Option<R>,
    ) -> Option<R> {
        let quick_nanos = self.end.0.saturating_sub(self.start.0) >> QUICK_LOG2;
        let mut last = None::<Instant>;
        loop {
            let now = clock.now();
            if now >= self.end {
                return poll(now);
            }
            let turns = match last {
                Some(last) if now.0.saturating_sub(last.0) < quick_nanos => {
                    clock.turns_per_reading().max(1)
                }
                _ => 1,
            };
            last = Some(now);
            for _ in 0..turns {
                if let Some(result) = poll(now) {
                    return Some(result);
                }
                clock.relax();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    struct Steps(Cell<u64>);

    impl Clock for Steps {
        fn now(&self) -> Instant {
            self.0.set(self.0.get() + 1);
            Instant::from_nanos(self.0.get())
        }
    }

    #[test]
    fn a_poll_that_never_succeeds_ends_at_the_deadline() {
        let clock = Steps(Cell::new(0));
        let mut turns = 0;
        let deadline = Deadline::after(&clock, Duration::from_nanos(10));
        assert_eq!(
            deadline.poll(&clock, || {
                turns += 1;
                None::<()>
            }),
            None
        );
        assert_eq!(turns, 10, "nine before the deadline, one after");
    }

    #[test]
    fn what_is_quick_is_called_often_for_each_reading() {
        let clock = Steps(Cell::new(0));
        let (mut turns, timeout) = (0_u32, 2 << QUICK_LOG2);
        let deadline = Deadline::after(&clock, Duration::from_nanos(timeout));
        let answer = deadline.poll(&clock, || {
            turns += 1;
            (turns == MANY_TURNS).then_some(clock.0.get())
        });
        assert_eq!(
            answer,
            Some(3),
            "readings of the deadline, before the first call and after it"
        );
    }

    #[test]
    fn no_turn_per_reading_is_one() {
        struct Unwilling(Steps);
        impl Clock for Unwilling {
            fn now(&self) -> Instant {
                self.0.now()
            }
            fn turns_per_reading(&self) -> u32 {
                0
            }
        }
        let clock = Unwilling(Steps(Cell::new(0)));
        let mut turns = 0;
        let deadline = Deadline::after(&clock, Duration::from_nanos(2 << QUICK_LOG2));
        assert_eq!(
            deadline.poll(&clock, || {
                turns += 1;
                None::<()>
            }),
            None
        );
        assert_eq!(turns, 2 << QUICK_LOG2, "one for each reading but the first");
    }

    /// A clock of a machine where somebody else has the CPU for a while in each moment but the first two.
    struct Shared {
        now: Cell<u64>,
        moments: Cell<u32>,
    }

    impl Shared {
        const TURN: u64 = 3_000_000;
    }

    impl Clock for Shared {
        fn now(&self) -> Instant {
            Instant::from_nanos(self.now.get())
        }

        fn relax(&self) {
            let moments = self.moments.get();
            self.moments.set(moments + 1);
            let nanos = if moments < 2 { 1000 } else { Self::TURN };
            self.now.set(self.now.get() + nanos);
        }

        fn turns_per_reading(&self) -> u32 {
            1
        }
    }

    #[test]
    fn a_cpu_that_others_have_in_between_is_not_waited_for_after_the_deadline() {
        let clock = Shared {
            now: Cell::new(0),
            moments: Cell::new(0),
        };
        let timeout = Duration::from_secs(5);
        let deadline = Deadline::after(&clock, timeout);
        assert_eq!(deadline.poll(&&clock, || None::<()>), None);
        let late = clock.now().since(Instant::from_nanos(0).after(timeout));
        assert!(late <= Duration::from_nanos(Shared::TURN), "{late:?}");
    }

    #[test]
    fn a_deadline_in_the_past_still_polls_once() {
        let clock = Steps(Cell::new(0));
        let deadline = Deadline::after(&clock, Duration::ZERO);
        assert_eq!(deadline.poll(&clock, || Some(7)), Some(7));
    }

    #[test]
    fn the_far_future_does_not_wrap() {
        assert_eq!(
            Instant::from_nanos(5).after(Duration::MAX),
            Instant::from_nanos(u64::MAX)
        );
    }
}
