//! Room for the driver's record of each request: [`BlkStorage`].

use levitate_hal::{Dma, DmaBuffer};
use levitate_virtio::Slot;

use crate::request::Context;

/// One slot of the virtqueue; it carries a buffer and what the driver remembers of it.
pub(crate) type RequestSlot<D> = Slot<DmaBuffer<D>, Context>;

/// Room for `N` requests in flight at a time, fewer if the device's queue is smaller.
///
/// It lies wherever the caller likes, in a static for instance, and is lent to one driver at a time.
#[derive(Debug)]
pub struct BlkStorage<D: Dma, const N: usize> {
    pub(crate) slots: [RequestSlot<D>; N],
}

impl<D: Dma, const N: usize> BlkStorage<D, N> {
    /// Makes empty storage.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: [const { Slot::new() }; N],
        }
    }
}

impl<D: Dma, const N: usize> Default for BlkStorage<D, N> {
    fn default() -> Self {
        Self::new()
    }
}
