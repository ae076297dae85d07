//! The ways the machine ends: semihosting if somebody waits for a status, PSCI if not.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

use smccc::Hvc;

use super::masking;

/// `SYS_EXIT_EXTENDED`: ends the machine with a status.
const SYS_EXIT_EXTENDED: usize = 0x20;
/// `ADP_Stopped_ApplicationExit`: the reason that has a status.
const STOPPED_APPLICATION_EXIT: u64 = 0x2_0026;

static IS_EXITING: AtomicBool = AtomicBool::new(false);

/// Ends the machine and gives `status` to whoever started it; without semihosting it only ends.
pub(crate) fn exit(status: u8) -> ! {
    masking::mask();
    // Relaxed: only this CPU reads it, when it takes an exception.
    IS_EXITING.store(true, Ordering::Relaxed);
    let block = [STOPPED_APPLICATION_EXIT, u64::from(status)];
    // SAFETY: a debugger or QEMU reads the block and does not come back; without one this is an undefined instruction,
    // whose handler looks at `IS_EXITING`.
    unsafe {
        asm!(
            "hlt #0xf000",
            inout("x0") SYS_EXIT_EXTENDED => _,
            in("x1") block.as_ptr(),
            options(nostack, readonly),
        );
    }
    off()
}

/// Says whether [`exit`] was called: an exception now means that semihosting is not there.
pub(super) fn is_exiting() -> bool {
    IS_EXITING.load(Ordering::Relaxed)
}

/// Switches the machine off.
pub(crate) fn off() -> ! {
    masking::mask();
    // It returns only if it is refused, and then there is nothing left to try.
    let _refused = smccc::psci::system_off::<Hvc>();
    loop {
        masking::wait_for_interrupt();
    }
}
