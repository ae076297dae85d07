//! The time stamp counter as a clock.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use levitate_hal::Instant;
use levitate_kernel::ticks::Scale;

use super::pit;

/// Taken for the frequency where it cannot be measured; such a machine is refused as soon as that can be said.
const UNKNOWN_HZ: u64 = 1_000_000_000;

static FREQUENCY_HZ: AtomicU64 = AtomicU64::new(0);
/// The [`Scale`] of that frequency, or of the unknown one.
static SCALE: AtomicU64 = AtomicU64::new(0);
/// Whether another timer than the 8254 has measured it.
static IS_BY_HPET: AtomicBool = AtomicBool::new(false);
static START: AtomicU64 = AtomicU64::new(0);

/// Measures the counter's frequency; called once, before the first line of the log.
pub(super) fn start() {
    // Relaxed, here and below: written once, before another CPU or a handler could read.
    START.store(pit::time_stamp(), Ordering::Relaxed);
    let frequency = pit::measure_time_stamp_counter().unwrap_or(0);
    set_frequency(frequency);
}

/// Takes the frequency that the HPET has measured, before anybody compares two times.
pub(super) fn set_frequency_by_hpet(hertz: u64) {
    set_frequency(hertz);
    IS_BY_HPET.store(true, Ordering::Relaxed);
}

fn set_frequency(hertz: u64) {
    let known = match hertz {
        0 => UNKNOWN_HZ,
        known => known,
    };
    SCALE.store(Scale::of_hertz(known).to_bits(), Ordering::Relaxed);
    FREQUENCY_HZ.store(hertz, Ordering::Relaxed);
}

/// Says whether the frequency is known.
pub(super) fn is_measured() -> bool {
    FREQUENCY_HZ.load(Ordering::Relaxed) != 0
}

/// Returns which counter it is, and what it was measured by.
pub(crate) fn name() -> &'static str {
    match IS_BY_HPET.load(Ordering::Relaxed) {
        false => "time stamp counter, by the 8254",
        true => "time stamp counter, by the HPET",
    }
}

/// Returns the time since the kernel was entered.
pub(crate) fn now() -> Instant {
    let scale = Scale::from_bits(SCALE.load(Ordering::Relaxed));
    let counts = pit::time_stamp().saturating_sub(START.load(Ordering::Relaxed));
    Instant::from_nanos(scale.nanoseconds(counts))
}

/// Spends no moment in a loop that waits for a device: `pause` helps another thread of the same core, and there is none.
///
/// Under QEMU's TCG it ends what is translated, and the CPU meets the device's thread at a lock, where it sleeps.
pub(crate) const fn relax() {}
