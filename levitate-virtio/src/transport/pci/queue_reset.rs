//! Resetting one virtqueue of a PCI device (§2.6.1, §4.1.4.3).

use levitate_hal::Mmio;

use super::registers as reg;
use crate::queue::QueueIndex;
use crate::transport::QueueReset;

/// Tells the device to reset `queue`, unless it is at it already.
pub(super) fn start<M: Mmio>(common: &M, queue: QueueIndex) {
    reg::QUEUE_SELECT.write(common, queue.get());
    if reg::QUEUE_RESET.read(common) == 0 {
        reg::QUEUE_RESET.write(common, 1);
    }
}

/// Reads what has become of it.
pub(super) fn read<M: Mmio>(common: &M, queue: QueueIndex) -> QueueReset {
    reg::QUEUE_SELECT.write(common, queue.get());
    let is_ongoing = reg::QUEUE_RESET.read(common) != 0;
    QueueReset::judge(is_ongoing, || reg::QUEUE_ENABLE.read(common) != 0)
}
