//! The system registers an exception leaves its cause in.

use core::arch::asm;

/// Returns ESR_EL1: the class of the exception and its details.
pub(super) fn exception_syndrome() -> u64 {
    let value: u64;
    // SAFETY: reading the register changes nothing; the kernel runs at EL1.
    unsafe { asm!("mrs {}, esr_el1", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Returns FAR_EL1: the address an abort is about.
pub(super) fn fault_address() -> u64 {
    let value: u64;
    // SAFETY: reading the register changes nothing; the kernel runs at EL1.
    unsafe { asm!("mrs {}, far_el1", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}
