//! `memcpy`, which the compiler calls for whatever is moved or copied in memory.
//!
//! The compiler's own takes care never to access memory where it is not aligned, and copies a word at a time. All memory is
//! mapped as normal memory before the first copy is made, and there alignment does not matter.

use core::arch::global_asm;

global_asm!(
    ".pushsection .text.memcpy, \"ax\"",
    ".global memcpy",
    ".type memcpy, %function",
    "memcpy:",
    // x0 is returned as it is; x3 goes along with the destination, x1 with the source.
    "mov x3, x0",
    "subs x2, x2, #32",
    "b.lo 2f",
    "1: ldp q0, q1, [x1], #32",
    "stp q0, q1, [x3], #32",
    "subs x2, x2, #32",
    "b.hs 1b",
    // Less than 32 bytes are left: 32 too many were subtracted, which the lowest five bits do not show.
    "2: tbz w2, #4, 3f",
    "ldr q0, [x1], #16",
    "str q0, [x3], #16",
    "3: tbz w2, #3, 4f",
    "ldr x4, [x1], #8",
    "str x4, [x3], #8",
    "4: tbz w2, #2, 5f",
    "ldr w4, [x1], #4",
    "str w4, [x3], #4",
    "5: tbz w2, #1, 6f",
    "ldrh w4, [x1], #2",
    "strh w4, [x3], #2",
    "6: tbz w2, #0, 7f",
    "ldrb w4, [x1]",
    "strb w4, [x3]",
    "7: ret",
    ".size memcpy, . - memcpy",
    ".popsection",
);
