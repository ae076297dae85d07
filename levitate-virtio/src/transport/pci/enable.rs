//! Giving a virtqueue to a PCI device (§4.1.5.1.3).

use levitate_hal::{Barriers, Mmio};

use super::registers as reg;
use super::structures::notification_bytes;
use super::vectors::VectorPlan;
use crate::features::Features;
use crate::queue::QueueIndex;
use crate::transport::{EnableQueueError, QueueAreas, halves};

/// The notification structure, as far as it matters where a queue has its place in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotifyPlaces {
    pub(super) len_bytes: usize,
    pub(super) multiplier: u32,
}

impl NotifyPlaces {
    /// Returns where a queue with this `queue_notify_off` is notified, with what `accepted` says (§4.1.4.4).
    fn offset(
        &self,
        queue: QueueIndex,
        off: u16,
        accepted: Features,
    ) -> Result<usize, EnableQueueError> {
        let offset = u64::from(off).saturating_mul(self.multiplier.into());
        let end = offset.saturating_add(notification_bytes(accepted));
        usize::try_from(offset)
            .ok()
            .filter(|_| end <= self.len_bytes as u64)
            .ok_or(EnableQueueError::NotifiedElsewhere {
                queue,
                offset,
                len_bytes: self.len_bytes,
            })
    }
}

/// How a queue is notified.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotifyPlace {
    /// Where in the notification structure.
    pub(super) offset: usize,
    /// What stands for the queue (§4.1.5.2).
    pub(super) id: u16,
}

/// Size, vector, place of notification, addresses, then `queue_enable`, which is read back; returns how the queue is notified.
pub(super) fn enable<M: Mmio>(
    common: &M,
    places: NotifyPlaces,
    vectors: Option<VectorPlan>,
    accepted: Features,
    queue: QueueIndex,
    areas: &QueueAreas,
) -> Result<NotifyPlace, EnableQueueError> {
    areas.check_separate(queue)?;
    let max = read_max_size(common, queue)?;
    let size = areas.size;
    if u32::from(size.get()) > max {
        return Err(EnableQueueError::TooLarge { queue, size, max });
    }
    let notify_off = reg::QUEUE_NOTIFY_OFF.read(common);
    let offset = places.offset(queue, notify_off, accepted)?;
    reg::QUEUE_SIZE.write(common, size.get());
    if let Some(vector) = vectors
        .and_then(|plan| plan.queues)
        .map(|vectors| vectors.of(queue))
    {
        reg::QUEUE_MSIX_VECTOR.write(common, vector);
        let found = reg::QUEUE_MSIX_VECTOR.read(common);
        if found != vector {
            return Err(EnableQueueError::VectorRefused {
                queue,
                vector,
                found,
            });
        }
    }
    for ([low, high], addr) in [
        (reg::QUEUE_DESC, areas.descriptor),
        (reg::QUEUE_DRIVER, areas.driver),
        (reg::QUEUE_DEVICE, areas.device),
    ] {
        let halves = halves(addr.get());
        low.write(common, halves[0]);
        high.write(common, halves[1]);
    }
    // The rings are zeroed in memory before the device may look at them.
    Barriers::Platform.before_notify();
    reg::QUEUE_ENABLE.write(common, 1);
    let found = reg::QUEUE_ENABLE.read(common);
    if found != 1 {
        return Err(EnableQueueError::ReadBack {
            queue,
            register: "queue_enable",
            expected: 1,
            found: found.into(),
        });
    }
    let id = match accepted.contains(Features::NOTIF_CONFIG_DATA) {
        true => reg::QUEUE_NOTIF_CONFIG_DATA.read(common),
        false => queue.get(),
    };
    Ok(NotifyPlace { offset, id })
}

/// Selects a queue and reads how large it may be; a queue in use is not asked.
pub(super) fn read_max_size<M: Mmio>(
    common: &M,
    queue: QueueIndex,
) -> Result<u32, EnableQueueError> {
    reg::QUEUE_SELECT.write(common, queue.get());
    // That of a queue that does not exist reads 0 as well.
    if reg::QUEUE_ENABLE.read(common) != 0 {
        return Err(EnableQueueError::InUse { queue });
    }
    match reg::QUEUE_SIZE.read(common) {
        0 => Err(EnableQueueError::NoSuchQueue { queue }),
        max => Ok(max.into()),
    }
}
