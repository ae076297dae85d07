//! What a driver keeps in memory of its user's: [`GpuStorage`].

use levitate_hal::{Dma, DmaBuffer};
use levitate_virtio::Slot;

use crate::control::Pending;
use crate::frame::Frame;

/// Room for `N` commands in flight; it can be a `static`.
///
/// Four are the fewest: creating a framebuffer takes three, and a question for an EDID that is not answered keeps one.
/// A frame takes two to eight of them.
#[derive(Debug)]
pub struct GpuStorage<D: Dma, const N: usize = 16> {
    pub(crate) slots: [Slot<DmaBuffer<D>, Pending>; N],
    pub(crate) frames: [Frame; N],
}

impl<D: Dma, const N: usize> GpuStorage<D, N> {
    /// Makes room for `N` commands.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: [const { Slot::new() }; N],
            frames: [const { Frame::NONE }; N],
        }
    }
}

impl<D: Dma, const N: usize> Default for GpuStorage<D, N> {
    fn default() -> Self {
        Self::new()
    }
}
