//! What the vectors lead to: interrupts are handled, everything else is reported and ends the machine.

use core::arch::{asm, naked_asm};

use aarch64_rt::{ExceptionHandlers, RegisterStateRef, exception_handlers};

use super::{interrupt_controller, power, registers};
use crate::serial;

/// The exit status after an exception that nothing handles.
const STATUS_EXCEPTION: u8 = 102;

exception_handlers!(Exceptions);

struct Exceptions;

impl ExceptionHandlers for Exceptions {
    extern "C" fn sync_current(state: RegisterStateRef) {
        report("synchronous exception", &state)
    }

    /// Keeps the vector registers, which the code that was interrupted may be using and the vectors do not save.
    #[unsafe(naked)]
    extern "C" fn irq_current(_state: RegisterStateRef) {
        naked_asm!(
            "stp x29, x30, [sp, #-32]!",
            "mrs x9, fpsr",
            "mrs x10, fpcr",
            "stp x9, x10, [sp, #16]",
            "sub sp, sp, #(32 * 16)",
            "stp q0, q1, [sp, #(0 * 16)]",
            "stp q2, q3, [sp, #(2 * 16)]",
            "stp q4, q5, [sp, #(4 * 16)]",
            "stp q6, q7, [sp, #(6 * 16)]",
            "stp q8, q9, [sp, #(8 * 16)]",
            "stp q10, q11, [sp, #(10 * 16)]",
            "stp q12, q13, [sp, #(12 * 16)]",
            "stp q14, q15, [sp, #(14 * 16)]",
            "stp q16, q17, [sp, #(16 * 16)]",
            "stp q18, q19, [sp, #(18 * 16)]",
            "stp q20, q21, [sp, #(20 * 16)]",
            "stp q22, q23, [sp, #(22 * 16)]",
            "stp q24, q25, [sp, #(24 * 16)]",
            "stp q26, q27, [sp, #(26 * 16)]",
            "stp q28, q29, [sp, #(28 * 16)]",
            "stp q30, q31, [sp, #(30 * 16)]",
            "bl {handle}",
            "ldp q0, q1, [sp, #(0 * 16)]",
            "ldp q2, q3, [sp, #(2 * 16)]",
            "ldp q4, q5, [sp, #(4 * 16)]",
            "ldp q6, q7, [sp, #(6 * 16)]",
            "ldp q8, q9, [sp, #(8 * 16)]",
            "ldp q10, q11, [sp, #(10 * 16)]",
            "ldp q12, q13, [sp, #(12 * 16)]",
            "ldp q14, q15, [sp, #(14 * 16)]",
            "ldp q16, q17, [sp, #(16 * 16)]",
            "ldp q18, q19, [sp, #(18 * 16)]",
            "ldp q20, q21, [sp, #(20 * 16)]",
            "ldp q22, q23, [sp, #(22 * 16)]",
            "ldp q24, q25, [sp, #(24 * 16)]",
            "ldp q26, q27, [sp, #(26 * 16)]",
            "ldp q28, q29, [sp, #(28 * 16)]",
            "ldp q30, q31, [sp, #(30 * 16)]",
            "add sp, sp, #(32 * 16)",
            "ldp x9, x10, [sp, #16]",
            "msr fpsr, x9",
            "msr fpcr, x10",
            "ldp x29, x30, [sp], #32",
            "ret",
            handle = sym handle_interrupt,
        )
    }

    extern "C" fn fiq_current(state: RegisterStateRef) {
        report("FIQ", &state)
    }

    extern "C" fn serror_current(state: RegisterStateRef) {
        report("SError", &state)
    }

    extern "C" fn sync_lower(state: RegisterStateRef) {
        report("synchronous exception from EL0", &state)
    }

    extern "C" fn irq_lower(state: RegisterStateRef) {
        report("interrupt from EL0", &state)
    }

    extern "C" fn fiq_lower(state: RegisterStateRef) {
        report("FIQ from EL0", &state)
    }

    extern "C" fn serror_lower(state: RegisterStateRef) {
        report("SError from EL0", &state)
    }
}

extern "C" fn handle_interrupt() {
    if let Some(number) = interrupt_controller::acknowledge() {
        crate::interrupts::dispatch(number);
    }
}

/// Writes to address 0, where nothing is mapped: the machine ends as it does after any exception that nothing handles.
#[expect(
    clippy::panic,
    reason = "should the write do nothing, the machine ends all the same"
)]
pub(crate) fn fault() -> ! {
    // SAFETY: nothing that Rust knows of is at address 0: neither memory nor the device registers that are mapped begin there.
    unsafe {
        asm!("str wzr, [{address}]", address = in(reg) 0_usize, options(nostack));
    }
    panic!("a write to address 0 is no exception")
}

/// Writes what is known about an exception to the serial line and ends the machine.
fn report(what: &str, state: &RegisterStateRef) -> ! {
    if power::is_exiting() {
        power::off();
    }
    let syndrome = registers::exception_syndrome();
    let mut out = serial::emergency();
    // Nobody is left to hear of a failure to write.
    let _ = out.line(format_args!("unhandled {what}"));
    let _ = out.line(format_args!(
        "  ESR {syndrome:#018x} (class {:#04x})  FAR {:#018x}",
        (syndrome >> 26) & 0x3f,
        registers::fault_address()
    ));
    let _ = out.line(format_args!(
        "  ELR {:#018x}  SPSR {:#018x}",
        state.elr, state.spsr
    ));
    for (index, value) in state.registers.iter().enumerate() {
        let _ = out.line(format_args!("  x{index:<2} {value:#018x}"));
    }
    // `aarch64-rt` calls the saved x30 `sp`.
    let _ = out.line(format_args!("  x29 {:#018x}", state.fp));
    let _ = out.line(format_args!("  x30 {:#018x}", state.sp));
    power::exit(STATUS_EXCEPTION)
}
