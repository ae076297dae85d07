//! The fences of a model checker in place of the CPU's, in builds with `--cfg loom` only: [`set_fence`].
//!
//! The checker is no dependency of this crate: whoever models a driver hands its fence in.

use core::sync::atomic::Ordering;
use std::sync::OnceLock;

static FENCE: OnceLock<fn(Ordering)> = OnceLock::new();

/// Has every barrier between CPUs call `fence`, until the process ends; the first caller's is the one that counts.
pub fn set_fence(fence: fn(Ordering)) {
    FENCE.get_or_init(|| fence);
}

/// Stands for [`core::sync::atomic::fence`].
pub(super) fn fence(ordering: Ordering) {
    FENCE.get().map_or_else(
        || core::sync::atomic::fence(ordering),
        |fence| fence(ordering),
    );
}
