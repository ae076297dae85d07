//! Room for the driver's record of each request: [`BlkStorage`].

use levitate_hal::{Dma, DmaBuffer};
use levitate_virtio::Slot;

use crate::request::Context;

/// One slot of the virtqueue; it carries a buffer and what the driver remembers of it.
pub(crate) type RequestSlot<D> = Slot<DmaBuffer<D>, Context>;

/// Room for `N` requests in flight at a time, fewer if the device's queue is smaller, and as many in each of `MORE` further queues.
///
/// In a split queue, with `N` up to a quarter of its size, a request with one piece of data is in the queue itself, which is a bit faster
/// for a batch; with more, and in packed queues, each is in a table of its own, if the device knows tables, and as many fit as the queue
/// has descriptors.
///
/// It lies wherever the caller likes, in a static for instance, and is lent to one driver at a time.
#[derive(Debug)]
pub struct BlkStorage<D: Dma, const N: usize, const MORE: usize = 0> {
    pub(crate) slots: [RequestSlot<D>; N],
    pub(crate) more: [[RequestSlot<D>; N]; MORE],
}

impl<D: Dma, const N: usize, const MORE: usize> BlkStorage<D, N, MORE> {
    /// Makes empty storage.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: [const { Slot::new() }; N],
            more: [const { [const { Slot::new() }; N] }; MORE],
        }
    }
}

impl<D: Dma, const N: usize, const MORE: usize> Default for BlkStorage<D, N, MORE> {
    fn default() -> Self {
        Self::new()
    }
}
