//! Giving chains back through the used ring, properly or not (§2.7.8).

use super::{DeviceQueue, RingError, RingFeatures, USED_ELEMENT_BYTES};
use crate::dma::DeviceMemory;

impl DeviceQueue {
    /// Gives the chain from `head` back as the specification has it; true if the driver has to be notified.
    pub(crate) fn give_back(
        &mut self,
        head: u16,
        len_bytes: u32,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Result<bool, RingError> {
        self.ring(features)?.add_used(head, len_bytes, memory)?;
        self.wants_interrupt(memory, features)
    }

    /// Writes an element that need not be true, and the index after it.
    ///
    /// Lies are written by ourselves, because rust-vmm knows none.
    pub(crate) fn lie(
        &mut self,
        id: u32,
        len_bytes: u32,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
        self.lie_at(self.areas.device, id, len_bytes, memory)
    }

    /// As [`lie`](Self::lie), to a used ring at `at`, which need not be where the driver looks.
    pub(crate) fn lie_at(
        &mut self,
        at: u64,
        id: u32,
        len_bytes: u32,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
        let slot = u64::from(self.used_index() % self.size.max(1));
        let mut element = [0; 8];
        element[..4].copy_from_slice(&id.to_le_bytes());
        element[4..].copy_from_slice(&len_bytes.to_le_bytes());
        memory.write(at + 4 + USED_ELEMENT_BYTES * slot, &element)?;
        self.move_used_index(at, 1, memory)
    }

    /// Moves the used index by `by` without a word about what was used.
    pub(crate) fn jump(&mut self, by: u16, memory: &DeviceMemory) -> Result<(), RingError> {
        self.move_used_index(self.areas.device, by, memory)
    }

    fn move_used_index(
        &mut self,
        ring: u64,
        by: u16,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
        let index = self.used_index().wrapping_add(by);
        if let Some(ring) = &mut self.ring {
            ring.set_next_used(index);
        }
        Ok(memory.store_u16(ring + 2, index)?)
    }

    /// Notes that the device has done with the chain that begins at `head`.
    pub(crate) fn land(&mut self, head: u16) {
        self.in_flight.remove(&head);
    }
}
