//! Each check of a device, shown able to fail: a driver with one step broken, and the rule that the device names.
//!
//! The driver ([`driver`]) does one whole life of a device over bare registers and ring memory, by the specification alone.
//! A [`Seeded`] fault breaks one of its steps; the device must report exactly the rule that step was about.
//! Each has a control: the same device and the same life with that step done right, of which nothing is reported.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod block;
mod block_options;
mod block_zones;
mod chains;
mod configuration;
mod driver;
mod features;
mod gpu;
mod gpu_options;
mod legacy_queues;
mod life;
mod message;
mod notifications;
mod packed;
mod packed_lists;
#[path = "../models/packed_ring.rs"]
#[expect(dead_code, reason = "tests of the models use more of it")]
mod packed_ring;
mod queues;
mod registers;
mod requests;
mod ring;
mod status;
mod table;
