//! Used descriptors, written properly or not (§2.8.4, §2.8.6, §2.8.8).

use super::super::{RingError, Used};
use super::descriptor::{DESCRIPTOR_LEN, Descriptor, LEN_OFFSET, NEXT, WRITE, used_marks};
use super::{PackedQueue, Position};
use crate::device::Violations;
use crate::dma::DeviceMemory;

/// What is in a length that means nothing, if there is noise.
const NOISE: u32 = 0xdead_beef;

impl PackedQueue {
    /// Writes the next used descriptor, and skips those that were given back with it.
    pub(in super::super) fn give_back(
        &mut self,
        used: Used,
        memory: &DeviceMemory,
        violations: &mut Violations,
    ) -> Result<(), RingError> {
        for index in 0..used.descriptors {
            let slot = self.next_used.ahead(index, self.size).slot;
            if self.is_owned(slot) && self.take_change(slot, memory) {
                let what = format!("descriptor {slot} was changed before it was used");
                violations.add("PACKED-03", what);
            }
        }
        self.write_used(self.next_used, used, memory)?;
        self.pass(used.descriptors);
        Ok(())
    }

    /// Writes a used descriptor that need not be true.
    pub(in super::super) fn lie(
        &mut self,
        used: Used,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
        self.is_at_odds = true;
        self.write_used(self.next_used, used, memory)?;
        self.pass(used.descriptors);
        Ok(())
    }

    /// As [`lie`](Self::lie), one descriptor behind the one that the driver looks at.
    pub(in super::super) fn lie_elsewhere(
        &mut self,
        used: Used,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
        self.is_at_odds = true;
        self.write_used(self.next_used.ahead(1, self.size), used, memory)?;
        self.pass(used.descriptors);
        Ok(())
    }

    /// Marks the next `by` descriptors as used, with the IDs and lengths that happen to be there.
    pub(in super::super) fn jump(
        &mut self,
        by: u16,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
        self.is_at_odds = true;
        for _ in 0..by.min(self.size) {
            let position = self.next_used;
            let bytes = memory.read_array(self.descriptor_addr(position.slot))?;
            let Descriptor { len_bytes, id, .. } = Descriptor::from(bytes);
            let stale = Used {
                id: id.into(),
                len_bytes,
                chains: 1,
                descriptors: 1,
                is_noisy: false,
            };
            self.write_used(position, stale, memory)?;
            self.pass(1);
        }
        Ok(())
    }

    fn pass(&mut self, descriptors: u16) {
        self.next_used = self.next_used.ahead(descriptors, self.size);
        self.owned = self.owned.saturating_sub(descriptors);
    }

    fn write_used(
        &mut self,
        position: Position,
        used: Used,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
        let is_written = used.len_bytes > 0;
        let mut flags = used_marks(position.wrap);
        if is_written {
            flags |= WRITE;
        }
        let len_bytes = match used.is_noisy && !is_written {
            true => NOISE,
            false => used.len_bytes,
        };
        if used.is_noisy {
            flags |= NEXT;
        }
        let at = self.descriptor_addr(position.slot);
        let mut bytes = [0; 6];
        bytes[..4].copy_from_slice(&len_bytes.to_le_bytes());
        bytes[4..].copy_from_slice(&(used.id as u16).to_le_bytes());
        memory.write(at + LEN_OFFSET, &bytes)?;
        memory.store_u16(self.flags_addr(position), flags)?;
        let known = &mut self.known[usize::from(position.slot)];
        let rest: &mut [u8; DESCRIPTOR_LEN] = known;
        rest[8..14].copy_from_slice(&bytes);
        rest[14..].copy_from_slice(&flags.to_le_bytes());
        Ok(())
    }
}
