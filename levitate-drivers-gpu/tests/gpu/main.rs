//! The driver against the device model of `levitate-host`, as a kernel would use it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod async_clock;
mod asynchronous;
mod bad_answers;
mod drawing;
mod events;
mod frames;
mod lifecycle;
mod meddler;
mod memory;
mod modes;
mod picture;
mod policies;
mod reclaim;
mod resize;
mod rig;
mod screens;
mod silence;
mod threads;
mod timeouts;
mod unanswered;
