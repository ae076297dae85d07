//! Masking interrupts on this CPU, and waiting for one.

use core::arch::asm;

use x86_64::registers::rflags::{self, RFlags};

/// Whether interrupts were delivered before [`mask`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Masked(bool);

impl Masked {
    /// Interrupts are delivered.
    pub(crate) const NOTHING: Self = Self(false);
}

/// Masks interrupts and returns what was masked before, for [`restore`].
pub(crate) fn mask() -> Masked {
    let was_masked = !rflags::read().contains(RFlags::INTERRUPT_FLAG);
    // SAFETY: masking interrupts breaks no promise to the compiler.
    // Not `nomem`: the compiler must not move memory accesses out of the masked part.
    unsafe { asm!("cli", options(nostack, preserves_flags)) };
    Masked(was_masked)
}

/// Masks again what was masked before [`mask`], and nothing else.
pub(crate) fn restore(before: Masked) {
    if !before.0 {
        unmask();
    }
}

/// Delivers interrupts from now on; the handlers are in place since boot.
pub(crate) fn unmask() {
    // SAFETY: the vectors are set before the first lock is taken, so an interrupt finds its handler. As above for `nomem`.
    unsafe { asm!("sti", options(nostack, preserves_flags)) };
}

/// Sleeps until an interrupt came, with interrupts masked before and after; its handler runs meanwhile.
///
/// To wait without missing one: mask, check that there is nothing to do, wait, restore.
pub(crate) fn wait_for_interrupt() {
    // SAFETY: `sti` delivers nothing before the instruction after it, so that no interrupt comes in between and leaves
    // the CPU asleep; handlers may run, which the caller expects. As above for `nomem`.
    unsafe { asm!("sti", "hlt", "cli", options(nostack, preserves_flags)) };
}
