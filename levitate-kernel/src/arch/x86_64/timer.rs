//! The local APIC's timer.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use levitate_hal::Deadline;

use super::interrupt_controller::{TIMER, vector_of, with_local};
use crate::platform::KernelClock;

/// How long its frequency is measured.
const MEASURED: Duration = Duration::from_millis(10);

static FREQUENCY_HZ: AtomicU64 = AtomicU64::new(0);

/// Makes the timer interrupt `after` from now, once.
pub(crate) fn set(after: Duration) {
    let frequency = u128::from(frequency_hz());
    let counts = after.as_nanos() * frequency / 1_000_000_000;
    // A count of zero would stop it.
    let counts = u32::try_from(counts).unwrap_or(u32::MAX).max(1);
    if let Some(vector) = vector_of(TIMER.number) {
        with_local(|apic| apic.set_timer(vector, counts));
    }
}

/// Returns the timer's frequency, which is measured by the clock at the first call.
fn frequency_hz() -> u64 {
    // Relaxed, here and below: whoever finds nothing measures by itself.
    let known = FREQUENCY_HZ.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let measured = with_local(|apic| {
        let deadline = Deadline::after(&KernelClock, MEASURED);
        let begin = super::clock::now();
        apic.start_counting();
        while !deadline.is_missed(&KernelClock) {
            core::hint::spin_loop();
        }
        let counts = apic.timer_count();
        let nanoseconds = super::clock::now().since(begin).as_nanos();
        u128::from(counts) * 1_000_000_000 / nanoseconds.max(1)
    });
    let measured = u64::try_from(measured.unwrap_or(0)).unwrap_or(0).max(1);
    FREQUENCY_HZ.store(measured, Ordering::Relaxed);
    measured
}
