//! Whether an interrupt leaves the vector registers as they were.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{Result, ensure};
use crate::arch::{interrupt_controller, masking, vector_registers};
use crate::interrupts::{self, InterruptError};

static HANDLED: AtomicU64 = AtomicU64::new(0);

pub(super) fn are_kept() -> Result {
    let line = interrupt_controller::UNUSED_LINE;
    let overwrite = || {
        vector_registers::overwrite();
        // Relaxed: a count, which orders nothing.
        HANDLED.fetch_add(1, Ordering::Relaxed);
        true
    };
    match interrupts::handle(line, overwrite) {
        // It has been there since the test ran before.
        Ok(()) | Err(InterruptError::Taken { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    for turn in 0..10 {
        let masking_before = masking::mask();
        interrupt_controller::make_pending(line.number);
        let are_unharmed = vector_registers::outlast(&HANDLED);
        masking::restore(masking_before);
        ensure!(
            are_unharmed,
            "interrupt {turn} changed vector registers of the code it interrupted, or did not come"
        );
    }
    Ok(())
}
