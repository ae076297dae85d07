//! The unchanged drivers against devices that nobody here wrote: QEMU's back ends, in processes of their own.

#![cfg(target_os = "linux")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod display;
mod fake;
mod program;
mod screen;
mod storage;

mod agreements;
mod example;
mod impostors;
mod offers;
mod pictures;
mod ranges;
mod several_queues;
mod soak;
mod transfers;
mod trouble;
