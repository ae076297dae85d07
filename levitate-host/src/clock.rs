//! Time that passes only when somebody looks, [`VirtualClock`]; and that of the machine, [`SystemClock`].

mod device;
mod system;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use levitate_hal::{Clock, Instant};

use crate::sync::lock;

pub(crate) use device::DeviceClock;
pub use system::SystemClock;

type Work = Box<dyn FnOnce() + Send>;

/// A clock that moves on by a step each time it is read, and by nothing else than its users.
///
/// A wait of five seconds takes five million readings, or one [`advance`](Self::advance), and no time at all.
/// Work that devices planned with [`at`](Self::at) runs when time reaches it, on the thread that moved the clock.
/// Clones show the same time.
#[derive(Clone)]
pub struct VirtualClock {
    state: Arc<Mutex<State>>,
}

struct State {
    present: Instant,
    step: Duration,
    planned: BTreeMap<(Instant, u64), Work>,
    planned_so_far: u64,
}

impl VirtualClock {
    /// Makes a clock that starts at its epoch and moves on by 1 µs with each reading.
    #[must_use]
    pub fn new() -> Self {
        Self::with_step(Duration::from_micros(1))
    }

    /// Makes a clock that moves on by `step` with each reading; with a step of zero only [`advance`](Self::advance) moves it.
    #[must_use]
    pub fn with_step(step: Duration) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                present: Instant::from_nanos(0),
                step,
                planned: BTreeMap::new(),
                planned_so_far: 0,
            })),
        }
    }

    /// Changes the step.
    pub fn set_step(&self, step: Duration) {
        lock(&self.state).step = step;
    }

    /// Returns the time without moving it, and runs nothing.
    #[must_use]
    pub fn present(&self) -> Instant {
        lock(&self.state).present
    }

    /// Lets `duration` pass, and runs what was planned for it, in order, each at its own time.
    pub fn advance(&self, duration: Duration) {
        let end = self.present().after(duration);
        loop {
            let due = {
                let mut state = lock(&self.state);
                match state.planned.first_key_value() {
                    Some((&(at, _), _)) if at <= end => {
                        state.present = state.present.max(at);
                        state.planned.pop_first()
                    }
                    _ => {
                        state.present = state.present.max(end);
                        None
                    }
                }
            };
            // Called with the clock unlocked, so that the work may look at the time.
            match due {
                Some((_, work)) => work(),
                None => return,
            }
        }
    }

    /// Plans `work` for the moment `when`; one in the past comes with the next reading.
    ///
    /// The work may use devices and pools, and this clock.
    pub fn at(&self, when: Instant, work: impl FnOnce() + Send + 'static) {
        let mut state = lock(&self.state);
        let sequence = state.planned_so_far;
        state.planned_so_far += 1;
        state.planned.insert((when, sequence), Box::new(work));
    }

    /// Plans `work` for `delay` from now.
    pub fn after(&self, delay: Duration, work: impl FnOnce() + Send + 'static) {
        self.at(self.present().after(delay), work);
    }

    /// Returns how much work is planned and has not run.
    #[must_use]
    pub fn planned(&self) -> usize {
        lock(&self.state).planned.len()
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        let step = {
            let mut state = lock(&self.state);
            let end = state.present.after(state.step);
            let next = state.planned.first_key_value();
            // The usual case, and it comes by the million: nothing happens meanwhile.
            if next.is_none_or(|(&(at, _), _)| at > end) {
                state.present = end;
                return end;
            }
            state.step
        };
        self.advance(step);
        self.present()
    }

    fn relax(&self) {
        self.now();
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        write!(
            f,
            "VirtualClock({} ns, {} planned)",
            state.present.as_nanos(),
            state.planned.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use levitate_hal::Deadline;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn each_reading_moves_time_by_the_step() {
        let clock = VirtualClock::with_step(Duration::from_nanos(7));
        assert_eq!(clock.now().as_nanos(), 7);
        assert_eq!(clock.clone().now().as_nanos(), 14, "clones share the time");
        assert_eq!(clock.present().as_nanos(), 14, "looking is free");
    }

    #[test]
    fn a_deadline_is_missed_without_sleeping() {
        let clock = VirtualClock::with_step(Duration::from_millis(100));
        let deadline = Deadline::after(&clock, Duration::from_secs(5));
        assert_eq!(deadline.poll(&clock, || None::<()>), None);
        assert!(clock.present().as_nanos() >= 5_000_000_000);
    }

    #[test]
    fn planned_work_runs_in_order_and_at_its_own_time() {
        let clock = VirtualClock::with_step(Duration::ZERO);
        let seen = Arc::new(Mutex::new(Vec::new()));
        for delay in [30_u64, 10, 20, 99] {
            let (seen, inner) = (seen.clone(), clock.clone());
            clock.after(Duration::from_nanos(delay), move || {
                seen.lock().unwrap().push(inner.present().as_nanos());
            });
        }
        clock.advance(Duration::from_nanos(50));
        assert_eq!(*seen.lock().unwrap(), [10, 20, 30]);
        assert_eq!(clock.planned(), 1);
        assert_eq!(clock.present().as_nanos(), 50);
    }

    #[test]
    fn work_may_plan_more_work_and_read_the_clock() {
        let clock = VirtualClock::with_step(Duration::from_nanos(1));
        let count = Arc::new(AtomicU64::new(0));
        let (inner, counter) = (clock.clone(), count.clone());
        clock.after(Duration::from_nanos(1), move || {
            inner.now();
            let counter_in_second = counter.clone();
            inner.after(Duration::ZERO, move || {
                counter_in_second.fetch_add(1, Ordering::Relaxed);
            });
            counter.fetch_add(1, Ordering::Relaxed);
        });
        clock.relax();
        clock.relax();
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}
