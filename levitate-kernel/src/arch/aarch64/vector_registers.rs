//! Whether an interrupt leaves the vector registers as they were: the vectors of `aarch64-rt` do not save them.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

/// What the registers are filled with, each a little different.
const PATTERN: u64 = 0x0123_4567_89ab_cd00;
/// How often it is looked whether the interrupt came; a million is a second on a busy machine.
const TURNS: u64 = 100_000_000;

/// `asm!` that names every vector register as one that changes.
macro_rules! asm_over_all {
    ($($argument:tt)*) => {
        asm!(
            $($argument)*
            out("v0") _,
            out("v1") _,
            out("v2") _,
            out("v3") _,
            out("v4") _,
            out("v5") _,
            out("v6") _,
            out("v7") _,
            out("v8") _,
            out("v9") _,
            out("v10") _,
            out("v11") _,
            out("v12") _,
            out("v13") _,
            out("v14") _,
            out("v15") _,
            out("v16") _,
            out("v17") _,
            out("v18") _,
            out("v19") _,
            out("v20") _,
            out("v21") _,
            out("v22") _,
            out("v23") _,
            out("v24") _,
            out("v25") _,
            out("v26") _,
            out("v27") _,
            out("v28") _,
            out("v29") _,
            out("v30") _,
            out("v31") _,
        )
    };
}

/// Overwrites every vector register.
pub(crate) fn overwrite() {
    // SAFETY: no memory is touched, and every register that changes is named.
    unsafe {
        asm_over_all!(
            ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            r"movi v\r\().16b, #0xa5",
            ".endr",
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// Fills the vector registers, lets interrupts in until `handled` changes, and returns whether it did and they are unharmed.
pub(crate) fn outlast(handled: &AtomicU64) -> bool {
    let before = handled.load(Ordering::Relaxed);
    let differences: u64;
    let turns_left: u64;
    // SAFETY: the handler runs where interrupts are unmasked, as it may anywhere; the flags and every register that changes
    // are named; the memory that is read is an atomic's.
    unsafe {
        asm_over_all!(
            ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            r"add {value}, {pattern}, #\r",
            r"dup v\r\().2d, {value}",
            ".endr",
            "msr daifclr, #2",
            "2:",
            "ldr {value}, [{handled}]",
            "cmp {value}, {before}",
            "b.ne 3f",
            "subs {turns}, {turns}, #1",
            "b.ne 2b",
            "3:",
            "msr daifset, #2",
            "mov {differences}, #0",
            ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            r"add {value}, {pattern}, #\r",
            r"umov {half}, v\r\().d[0]",
            "eor {half}, {half}, {value}",
            "orr {differences}, {differences}, {half}",
            r"umov {half}, v\r\().d[1]",
            "eor {half}, {half}, {value}",
            "orr {differences}, {differences}, {half}",
            ".endr",
            pattern = in(reg) PATTERN,
            handled = in(reg) handled.as_ptr(),
            before = in(reg) before,
            turns = inout(reg) TURNS => turns_left,
            value = out(reg) _,
            half = out(reg) _,
            differences = out(reg) differences,
            options(nostack),
        );
    }
    turns_left > 0 && differences == 0
}
