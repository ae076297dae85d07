//! The generic timer's counter as a clock.

use arm_generic_timer::CounterInterface;
use arm_generic_timer::sysreg::VirtualCounter;
use levitate_hal::Instant;

/// Returns the time since the machine was switched on.
pub(crate) fn now() -> Instant {
    let counter = VirtualCounter;
    let frequency = u128::from(counter.frequency()).max(1);
    let nanoseconds = u128::from(counter.counter_value()) * 1_000_000_000 / frequency;
    Instant::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// Spends a moment in a loop that waits for a device.
pub(crate) fn relax() {
    core::hint::spin_loop();
}
