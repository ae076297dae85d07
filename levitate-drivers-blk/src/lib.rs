#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a test may panic"
    )
)]

#[cfg(test)]
extern crate std;

pub mod capabilities;
pub mod config;
pub mod device;
pub mod error;
pub mod features;
pub mod id;
pub mod lifetime;
mod listener;
pub mod options;
pub mod range;
pub mod request;
pub mod storage;

pub use capabilities::{CacheMode, Capabilities, SECTOR_BYTES};
pub use device::{Access, AsyncBlk, Blk, BlkQueue, CapacityChange, Counts, Request};
pub use error::{
    BufferError, CacheModeError, Error, InitError, PollError, RecoverError, Rejected, ResetError,
    ResetQueueError, SubmitError,
};
pub use features::BlkFeatures;
pub use id::DeviceId;
/// What an interrupt handler calls to wake the tasks that wait for an [`AsyncBlk`].
pub use levitate_virtio::Signal;
/// Names one request from its submission until it is collected; after a reset it names nothing any more.
pub use levitate_virtio::Token;
pub use lifetime::{Lifetime, Reserve};
pub use options::Options;
pub use range::{RangeLimits, Unmap};
pub use request::{Completion, Reclaimed, RequestError, RequestKind};
pub use storage::BlkStorage;
