//! Resetting one virtqueue of an MMIO device, which version 2 has a register for (§2.6.1, §4.2.2).

use levitate_hal::Mmio;

use super::enable;
use super::registers as reg;
use crate::queue::QueueIndex;
use crate::transport::{Interface, QueueReset};

/// Tells the device to reset `queue`, unless it is at it already.
pub(super) fn start<M: Mmio>(mmio: &M, queue: QueueIndex) {
    reg::QUEUE_SEL.write(mmio, u32::from(queue.get()));
    if reg::QUEUE_RESET.read(mmio) == 0 {
        reg::QUEUE_RESET.write(mmio, 1);
    }
}

/// Reads what has become of it.
pub(super) fn read<M: Mmio>(mmio: &M, queue: QueueIndex) -> QueueReset {
    reg::QUEUE_SEL.write(mmio, u32::from(queue.get()));
    let is_ongoing = reg::QUEUE_RESET.read(mmio) != 0;
    QueueReset::judge(is_ongoing, || enable::is_enabled(mmio, Interface::Modern))
}
