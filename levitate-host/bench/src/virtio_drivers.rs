//! The crate virtio-drivers, as it is published: its queue by itself, and its driver of a block device.

mod block;
mod hal;
mod queue;
mod transport;

pub(crate) use block::{Block, DEEPEST};
pub(crate) use queue::Queue;
