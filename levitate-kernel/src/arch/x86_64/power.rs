//! The ways the machine ends: QEMU's `isa-debug-exit` if it is there; otherwise the CPU stops.

use core::arch::asm;

use x86_64::instructions::port::Port;

use super::masking;

/// Where `-device isa-debug-exit,iobase=0xf4,iosize=0x04` is.
const DEBUG_EXIT: u16 = 0xf4;

/// Added to the status. QEMU ends with twice the value and one: without this, success would be QEMU's own 1 for a failure.
const OFFSET: u32 = 0x10;

/// Ends the machine and gives `status` to whoever started it; without the device it only stops.
pub(crate) fn exit(status: u8) -> ! {
    masking::mask();
    // SAFETY: QEMU ends at this write; without the device nothing is at the port.
    unsafe { Port::new(DEBUG_EXIT).write(OFFSET + u32::from(status)) };
    loop {
        // SAFETY: stopping changes no state; nothing wakes a CPU whose interrupts are masked, and nothing has to.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// Switches the machine off.
pub(crate) fn off() -> ! {
    exit(0)
}
