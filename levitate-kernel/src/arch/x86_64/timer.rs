//! The local APIC's timer.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use super::apic::LocalApic;
use super::clock;
use super::interrupt_controller::{TIMER, vector_of, with_local};

/// How long its frequency is measured.
const MEASURED: Duration = Duration::from_millis(10);

/// How much of that may pass while nobody knows whether it was counted.
const UNKNOWN: Duration = Duration::from_micros(100);

/// How often it is measured anew if it was more.
const ATTEMPTS: usize = 20;

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
    let measured = with_local(measure).unwrap_or(0).max(1);
    FREQUENCY_HZ.store(measured, Ordering::Relaxed);
    measured
}

/// Measures the timer's frequency by the clock, as well as a host lets it that may stop the CPU at any time.
fn measure(apic: &LocalApic) -> u64 {
    let mut best = (Duration::MAX, 0);
    for _ in 0..ATTEMPTS {
        let measured = measure_once(apic);
        if measured.0 < best.0 {
            best = measured;
        }
        if best.0 <= UNKNOWN {
            break;
        }
    }
    best.1
}

/// Returns the timer's frequency, and how much longer than was reckoned with it may have been counting.
fn measure_once(apic: &LocalApic) -> (Duration, u64) {
    let before = clock::now();
    apic.start_counting();
    let begin = clock::now();
    while clock::now().since(begin) < MEASURED {
        core::hint::spin_loop();
    }
    let end = clock::now();
    let counts = apic.timer_count();
    let after = clock::now();
    let frequency = u128::from(counts) * 1_000_000_000 / end.since(begin).as_nanos().max(1);
    let unknown = begin.since(before) + after.since(end);
    (unknown, u64::try_from(frequency).unwrap_or(u64::MAX))
}
