//! The driver through its public API, against modelled disks: a module for each behaviour.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;
mod tasks;

mod async_ahead;
mod async_calls;
mod async_clock;
mod async_costs;
mod async_deadlines;
mod async_drops;
mod async_queue_reset;
mod async_races;
mod async_random;
mod async_room;
mod async_threads;
mod async_trouble;
mod async_wakers;
mod batches;
mod cache_mode;
mod config_changes;
mod configuration;
mod hostile;
mod interrupts;
mod lifetime;
mod limits;
mod policies;
mod queue_count;
mod queue_reset;
mod ranges;
mod recovery;
mod refusals;
mod request_errors;
mod several_queues;
mod soak;
mod threads;
mod timeouts;
mod transfers;
