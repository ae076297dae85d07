//! The generic timer's interrupt.

use core::time::Duration;

use arm_generic_timer::Timer;
use arm_generic_timer::sysreg::VirtualTimer;

use crate::lock::Mutex;

static TIMER: Mutex<Option<Timer<VirtualTimer>>> = Mutex::new(None);

/// Makes the timer interrupt `after` from now; the interrupt stays pending until the timer is set again.
pub(crate) fn set(after: Duration) {
    let mut timer = TIMER.lock();
    let timer = timer.get_or_insert_with(|| {
        // SAFETY: nothing else in the kernel touches CNTV_*, and the lock keeps the callers of this function apart.
        Timer::new(unsafe { VirtualTimer::new() })
    });
    timer.set_remaining_time(after);
    timer.enable_interrupt();
    timer.enable();
}
