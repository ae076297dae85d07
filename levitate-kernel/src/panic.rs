//! The end of a kernel that found itself wrong.

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::arch::power;
use crate::serial;

/// The exit status after a panic.
const STATUS_PANIC: u8 = 101;

static IS_PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // Relaxed: only this CPU reads it. A panic while a panic is reported is not reported.
    if !IS_PANICKING.swap(true, Ordering::Relaxed) {
        let mut out = serial::emergency();
        let message = info.message();
        // Nobody is left to hear of a failure to write.
        let _ = match info.location() {
            Some(location) => out.line(format_args!(
                "\npanic: {message} at {}:{}",
                location.file(),
                location.line()
            )),
            None => out.line(format_args!("\npanic: {message}")),
        };
    }
    power::exit(STATUS_PANIC)
}
