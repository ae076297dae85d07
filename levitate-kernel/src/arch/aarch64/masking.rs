//! Masking interrupts on this CPU, and waiting for one.

use core::arch::asm;

/// What was masked before [`mask`]: the bits of DAIF.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Masked(u64);

impl Masked {
    /// Interrupts are delivered.
    pub(crate) const NOTHING: Self = Self(0);
}

/// Masks interrupts and returns what was masked before, for [`restore`].
pub(crate) fn mask() -> Masked {
    let daif: u64;
    // SAFETY: reading DAIF changes nothing. Not `nomem`: the compiler must not move memory accesses out of the masked part.
    unsafe { asm!("mrs {}, daif", out(reg) daif, options(nostack, preserves_flags)) };
    // SAFETY: masking interrupts breaks no promise to the compiler; as above for `nomem`.
    unsafe { asm!("msr daifset, #3", options(nostack, preserves_flags)) };
    Masked(daif)
}

/// Masks again what was masked before [`mask`], and nothing else.
pub(crate) fn restore(before: Masked) {
    // SAFETY: the value was read from DAIF, or is zero; handlers may run from here on, which `mask`'s caller expects.
    unsafe { asm!("msr daif, {}", in(reg) before.0, options(nostack, preserves_flags)) };
}

/// Delivers interrupts from now on; called once, when the handlers are in place.
pub(crate) fn unmask() {
    // SAFETY: the vectors are set before the first Rust function runs, so an interrupt finds its handler.
    unsafe { asm!("msr daifclr, #0xf", options(nostack, preserves_flags)) };
}

/// Sleeps until an interrupt is pending, even if interrupts are masked.
///
/// To wait without missing one: mask, check that there is nothing to do, wait, restore.
pub(crate) fn wait_for_interrupt() {
    // SAFETY: waiting changes no state.
    unsafe { asm!("wfi", options(nostack, preserves_flags)) };
}
