//! Giving chains back through the used ring, properly or not (§2.7.8).

use super::{DeviceQueue, USED_ELEMENT_BYTES};
use crate::dma::{DeviceMemory, StrayAccess};

impl DeviceQueue {
    /// Writes one element of the used ring, and the index after it; true if the driver wants to be notified.
    pub(crate) fn push(
        &mut self,
        id: u32,
        len_bytes: u32,
        memory: &DeviceMemory,
    ) -> Result<(), StrayAccess> {
        self.write_element(self.areas.device, id, len_bytes, memory)?;
        self.used_index = self.used_index.wrapping_add(1);
        memory.store_u16(self.areas.device + 2, self.used_index)
    }

    /// Writes an element and the index after it to a ring at `at`, which need not be where the driver looks.
    pub(crate) fn push_at(
        &mut self,
        at: u64,
        id: u32,
        len_bytes: u32,
        memory: &DeviceMemory,
    ) -> Result<(), StrayAccess> {
        self.write_element(at, id, len_bytes, memory)?;
        self.used_index = self.used_index.wrapping_add(1);
        memory.store_u16(at + 2, self.used_index)
    }

    fn write_element(
        &self,
        ring: u64,
        id: u32,
        len_bytes: u32,
        memory: &DeviceMemory,
    ) -> Result<(), StrayAccess> {
        let slot = u64::from(self.used_index % self.size.max(1));
        let mut element = [0; 8];
        element[..4].copy_from_slice(&id.to_le_bytes());
        element[4..].copy_from_slice(&len_bytes.to_le_bytes());
        memory.write(ring + 4 + USED_ELEMENT_BYTES * slot, &element)
    }

    /// Moves the used index by `by` without a word about what was used.
    pub(crate) fn jump(&mut self, by: u16, memory: &DeviceMemory) -> Result<(), StrayAccess> {
        self.used_index = self.used_index.wrapping_add(by);
        memory.store_u16(self.areas.device + 2, self.used_index)
    }

    /// Notes that the device has done with the chain that begins at `head`.
    pub(crate) fn land(&mut self, head: u16) {
        self.in_flight.remove(&head);
    }
}
