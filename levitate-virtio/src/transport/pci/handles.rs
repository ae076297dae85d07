//! What a device's users hold apart from its driver: [`PciNotifier`], [`PciInterrupt`] (§4.1.5.2, §4.1.5.3, §4.1.5.4).

use levitate_hal::{Barriers, Mmio};

use super::enable::NotifyPlace;
use super::vectors::VectorPlan;
use crate::transport::{Interrupt, InterruptStatus, Notify, notification_data};

/// Notifies one queue of a PCI device: one register write (§4.1.5.2).
#[derive(Clone, Debug)]
pub struct PciNotifier<M> {
    pub(super) notify: M,
    /// Nowhere if the queue was not enabled.
    pub(super) place: Option<NotifyPlace>,
    /// Whether VIRTIO_F_NOTIFICATION_DATA was accepted.
    pub(super) has_data: bool,
}

impl<M: Mmio> Notify for PciNotifier<M> {
    fn notify(&self, next: u16) {
        let Some(NotifyPlace { offset, id }) = self.place else {
            return;
        };
        Barriers::Platform.before_notify();
        match self.has_data {
            true => self.notify.write32(offset, notification_data(id, next)),
            false => self.notify.write16(offset, id),
        }
    }
}

/// Tells why a PCI device interrupted: by the vector with MSI-X, else by the ISR status (§4.1.4.5).
#[derive(Clone, Debug)]
pub struct PciInterrupt<M> {
    pub(super) isr: M,
    pub(super) vectors: Option<VectorPlan>,
}

impl<M: Mmio> Interrupt for PciInterrupt<M> {
    fn acknowledge(&self) -> InterruptStatus {
        match self.vectors {
            // With MSI-X the ISR status says nothing of queues, and is not to be read for them (§4.1.4.5.2).
            Some(vectors) => vectors.all_causes(),
            // Reading acknowledges. Reserved bits are set where no device answers any more, and then it has nothing to say.
            None => {
                InterruptStatus::from_bits(self.isr.read8(0)).unwrap_or(InterruptStatus::empty())
            }
        }
    }

    fn acknowledge_vector(&self, vector: u16) -> InterruptStatus {
        match self.vectors {
            Some(vectors) => vectors.causes(vector),
            None => self.acknowledge(),
        }
    }
}
