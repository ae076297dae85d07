//! Inputs that are the same each time, and what comes of one.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use levitate_fuzz::{Sabotage, SabotagedRun};

/// Runs an input; returns what was said if it failed.
pub(crate) fn outcome(run: SabotagedRun, bytes: &[u8], sabotage: Sabotage) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| run(bytes, sabotage))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or_default().to_owned()
    })
}

/// Returns an input that is the same each time: bytes of a linear congruential generator.
pub(crate) fn input(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let len = (seed * 7 % 200) as usize;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}
