//! Giving chains back through the used ring, properly or not (§2.7.8, §2.7.9).

use super::super::{RingError, RingFeatures, Used};
use super::{SplitQueue, USED_ELEMENT_BYTES};
use crate::dma::DeviceMemory;

impl SplitQueue {
    /// Gives what was used back as the specification has it.
    pub(in super::super) fn give_back(
        &mut self,
        used: Used,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Result<(), RingError> {
        match (used.chains, u16::try_from(used.id)) {
            (1, Ok(head)) => self.ring(features)?.add_used(head, used.len_bytes, memory),
            // One element for a batch, which rust-vmm does not write.
            _ => self.lie(used, memory),
        }
    }

    /// Writes an element that need not be true, and the index after it.
    ///
    /// Lies are written by ourselves, because rust-vmm knows none.
    pub(in super::super) fn lie(
        &mut self,
        used: Used,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
        self.lie_at(self.areas.device, used, memory)
    }

    /// As [`lie`](Self::lie), to a used ring right behind the available ring, without regard to the queue alignment.
    pub(in super::super) fn lie_elsewhere(
        &mut self,
        used: Used,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
        let available_end = self.areas.driver + 4 + 2 * u64::from(self.size);
        self.lie_at(available_end.next_multiple_of(4), used, memory)
    }

    fn lie_at(&mut self, at: u64, used: Used, memory: &DeviceMemory) -> Result<(), RingError> {
        let slot = u64::from(self.used_index() % self.size.max(1));
        let mut element = [0; 8];
        element[..4].copy_from_slice(&used.id.to_le_bytes());
        element[4..].copy_from_slice(&used.len_bytes.to_le_bytes());
        memory.write(at + 4 + USED_ELEMENT_BYTES * slot, &element)?;
        self.move_used_index(at, used.chains, memory)
    }

    /// Moves the used index by `by` without a word about what was used.
    pub(in super::super) fn jump(
        &mut self,
        by: u16,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
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
}
