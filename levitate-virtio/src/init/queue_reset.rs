//! Resetting one virtqueue of a live device, and the proof of it: [`QueueQuiesced`] (§2.6.1).

use core::time::Duration;

use levitate_hal::{Clock, Deadline};
use thiserror::Error;

use super::{Device, Identity, stage};
use crate::features::Features;
use crate::queue::{Format, QueueIndex};
use crate::transport::{QueueReset, Transport};

/// Proof that one virtqueue of a device was reset, and that the device said so.
///
/// The device reaches none of the memory any more that the queue had until then, be it its own or that of a request in it.
///
/// That is what the device says, and all there is to go by: QEMU's virtio-blk says so while requests in flight go on.
#[derive(Debug)]
pub struct QueueQuiesced {
    queue: QueueIndex,
    device: Identity,
    /// Made when the reset was done: a queue that was enabled again has a later one.
    at: Identity,
}

impl QueueQuiesced {
    /// Returns which queue was reset.
    #[must_use]
    pub const fn queue(&self) -> QueueIndex {
        self.queue
    }

    /// Says whether the proof is about what `queue` was in the life `device`, given an identity made right before it was enabled.
    ///
    /// Of a queue that was enabled again after the reset it says nothing: the device has that one.
    pub(crate) fn covers(&self, device: Identity, queue: QueueIndex, enabled: Identity) -> bool {
        self.device == device && self.queue == queue && enabled.is_before(self.at)
    }
}

/// Why a virtqueue was not reset; the memory it was given must be considered in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QueueResetError {
    /// The device does not reset single queues, or was not asked to be able to; nothing was written.
    #[error("queue {queue} cannot be reset by itself: VIRTIO_F_RING_RESET was not accepted")]
    NotNegotiated {
        /// Index of the queue.
        queue: QueueIndex,
    },
    /// The device took no notice, and has the queue enabled as before.
    #[error(
        "queue {queue} was not reset: the device offers VIRTIO_F_RING_RESET, says that no reset is under way, and has the queue \
         enabled still, as QEMU's virtio-mmio does"
    )]
    Ignored {
        /// Index of the queue.
        queue: QueueIndex,
    },
    /// The device did not finish in time; trying once more goes on waiting.
    #[error("queue {queue} is not reset after {timeout:?}")]
    Timeout {
        /// Index of the queue.
        queue: QueueIndex,
        /// How long was waited.
        timeout: Duration,
    },
}

impl<T: Transport, R: Format> Device<T, stage::Live<R>> {
    /// Resets one virtqueue and waits for it; the others, and the device, go on.
    ///
    /// No request of the queue should be in flight: not every device stops those, see [`QueueQuiesced`].
    /// None should be submitted until the queue is [restarted](crate::Queue::restart) either: it would be given back then, and never seen.
    ///
    /// # Errors
    ///
    /// [`QueueResetError`].
    pub fn reset_queue(
        &mut self,
        queue: QueueIndex,
        clock: &impl Clock,
        timeout: Duration,
    ) -> Result<QueueQuiesced, QueueResetError> {
        if !self.stage().features.contains(Features::RING_RESET) {
            return Err(QueueResetError::NotNegotiated { queue });
        }
        let transport = self.transport_mut();
        transport.start_queue_reset(queue);
        let outcome = Deadline::after(clock, timeout).poll(clock, || {
            match transport.read_queue_reset(queue) {
                QueueReset::Ongoing => None,
                QueueReset::Done => Some(Ok(())),
                QueueReset::Ignored => Some(Err(QueueResetError::Ignored { queue })),
            }
        });
        outcome.unwrap_or(Err(QueueResetError::Timeout { queue, timeout }))?;
        Ok(QueueQuiesced {
            queue,
            device: self.identity(),
            at: Identity::fresh(),
        })
    }
}

#[cfg(test)]
mod tests;
