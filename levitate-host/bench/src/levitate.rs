//! Ours: the queue by itself as a driver uses it, and the driver of a block device.

mod block;
mod platform;
mod queue;
mod registers;

pub(crate) use block::Block;
pub(crate) use queue::Queue;
