//! The kernel's own interfaces to displays and disks, and an adapter for each driver that serves one.
//!
//! Above this module nothing knows which crate a driver comes from.

pub(crate) mod block;
pub(crate) mod display;
pub(crate) mod levitate_blk;
pub(crate) mod levitate_gpu;

use alloc::boxed::Box;
use core::error::Error;

/// What a driver says of a failure; each driver has its own types, and the kernel passes on what they say.
pub(crate) type DriverError = Box<dyn Error>;

/// What a driver has counted of one virtqueue since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueCounts {
    /// The queue's index.
    pub(crate) queue: u16,
    /// Requests that were submitted.
    pub(crate) requests: u64,
    /// Available buffer notifications that were sent.
    pub(crate) notifications: u64,
    /// Wake-ups of a task that found nothing done for it.
    pub(crate) idle_polls: u64,
}
