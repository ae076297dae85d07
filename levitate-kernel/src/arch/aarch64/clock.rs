//! The generic timer's counter as a clock.

use core::sync::atomic::{AtomicU64, Ordering};

use arm_generic_timer::CounterInterface;
use arm_generic_timer::sysreg::VirtualCounter;
use levitate_hal::Instant;
use levitate_kernel::ticks::Scale;

/// The [`Scale`] of the counter's frequency, once it was asked for.
static SCALE: AtomicU64 = AtomicU64::new(0);

/// Returns the time since the machine was switched on.
pub(crate) fn now() -> Instant {
    // Relaxed: whoever finds nothing puts the same there.
    let scale = match SCALE.load(Ordering::Relaxed) {
        0 => find_scale(),
        bits => Scale::from_bits(bits),
    };
    Instant::from_nanos(scale.nanoseconds(VirtualCounter.counter_value()))
}

#[cold]
fn find_scale() -> Scale {
    let scale = Scale::of_hertz(VirtualCounter.frequency().into());
    SCALE.store(scale.to_bits(), Ordering::Relaxed);
    scale
}

/// Returns which counter it is; how fast that is, it says itself.
pub(crate) const fn name() -> &'static str {
    "virtual counter"
}

/// Spends a moment in a loop that waits for a device.
pub(crate) fn relax() {
    core::hint::spin_loop();
}
