//! The queue and a device as two threads whose every order of steps, and every stale value, loom tries.
//!
//! The driver's side is the code that ships: [`Queue`] over either ring and `levitate_hal::Barriers`; only what a load or a
//! store of shared memory, and a fence, is made of are loom's. The device's side is written for this ([`device`]).
//! A thread that nobody wakes is a deadlock, which loom reports; what is read too early fails an assertion.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::String;

use loom::sync::atomic::{Ordering, fence};

mod device;
mod driver;
mod packed_device;
mod proofs;
mod shared;
mod split_device;

/// What was agreed on between driver and device.
#[derive(Clone, Copy, Debug)]
struct Agreed {
    is_packed: bool,
    /// VIRTIO_F_INDIRECT_DESC: each chain is one descriptor in the ring, and a table.
    is_indirect: bool,
    /// VIRTIO_F_IN_ORDER: the device uses what it fetched together by one entry.
    is_in_order: bool,
    has_event_index: bool,
}

std::thread_local! {
    /// The kind of barrier that the driver leaves out, on the thread of one test.
    static LEFT_OUT: Cell<Option<Ordering>> = const { Cell::new(None) };
}

/// What `levitate_hal::Barriers` calls.
fn driver_fence(ordering: Ordering) {
    if LEFT_OUT.get() != Some(ordering) {
        fence(ordering);
    }
}

/// Runs `model` in every order of steps, with `left_out` missing from the driver's barriers; says what goes wrong in one.
///
/// `preemptions` bounds how often a thread that could go on has to let the other one go first.
fn explore(
    model: fn(Agreed),
    agreed: Agreed,
    left_out: Option<Ordering>,
    preemptions: Option<usize>,
) -> Result<(), String> {
    LEFT_OUT.set(left_out);
    levitate_hal::barrier::model::set_fence(driver_fence);
    let mut checker = loom::model::Builder::new();
    checker.preemption_bound = preemptions;
    catch_unwind(AssertUnwindSafe(|| checker.check(move || model(agreed)))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| Some(String::from(*panic.downcast_ref::<&str>()?)))
            .unwrap_or_default()
    })
}
