//! The kernel's tick: an interrupt that comes again and again.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::arch::timer;
use crate::devices;
use crate::interrupts::{self, InterruptError, Line};
use crate::news::News;
use crate::pci;

/// How often it comes: a shell that sleeps looks for news of the log this often.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Told to the task that follows what changes: a tick, or a change.
pub(crate) static NEWS: News = News::new();

static TICKS: AtomicU64 = AtomicU64::new(0);

/// Starts the tick; `line` is the timer's interrupt.
///
/// # Errors
///
/// [`InterruptError`]; there is no tick then.
pub(crate) fn start(line: Line) -> Result<(), InterruptError> {
    interrupts::handle(line, || {
        // Relaxed: a count, which orders nothing.
        TICKS.fetch_add(1, Ordering::Relaxed);
        timer::set(TICK);
        pci::obey_requests();
        devices::tick();
        NEWS.tell();
        true
    })?;
    timer::set(TICK);
    Ok(())
}

/// Returns how often it came.
pub(crate) fn ticks() -> u64 {
    // Relaxed: as above.
    TICKS.load(Ordering::Relaxed)
}
