//! Whether an interrupt leaves the vector registers as they were.
//!
//! The compiler uses none for this target, but code may look for them and use them, as programs do that compute checksums.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

/// What the registers are filled with, each a little different: its number is added to the first byte of all of them.
const PATTERN: u64 = 0x0123_4567_89ab_cd00;
/// How often it is looked whether the interrupt came; a million is a second on a busy machine.
const TURNS: u64 = 100_000_000;

/// Overwrites every vector register.
pub(crate) fn overwrite() {
    // SAFETY: no memory is touched, and the compiler keeps nothing in these registers for this target.
    unsafe {
        asm!(
            ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            r"pcmpeqb xmm\r, xmm\r",
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
    // are named, or one that the compiler does not use; the memory that is read is an atomic's.
    unsafe {
        asm!(
            ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            r"lea {value}, [{pattern} + \r]",
            r"movq xmm\r, {value}",
            r"punpcklqdq xmm\r, xmm\r",
            ".endr",
            "sti",
            "2:",
            "cmp [{handled}], {before}",
            "jne 3f",
            "dec {turns}",
            "jnz 2b",
            "3:",
            "cli",
            "xor {differences}, {differences}",
            ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            r"lea {value}, [{pattern} + \r]",
            r"movq {half}, xmm\r",
            "xor {half}, {value}",
            "or {differences}, {half}",
            r"punpckhqdq xmm\r, xmm\r",
            r"movq {half}, xmm\r",
            "xor {half}, {value}",
            "or {differences}, {half}",
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
