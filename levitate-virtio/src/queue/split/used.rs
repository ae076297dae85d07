//! What the device is done with, as the used ring has it (§2.7.8, §2.7.14).

use levitate_hal::Dma;

use super::{SplitRing, layout};
use crate::queue::DeviceFault;
use crate::queue::ring::{Progress, Used};
use crate::queue::slot::{Record, Slot, Written};

impl<D: Dma> SplitRing<D> {
    /// As [`Ring::next_used`](crate::queue::ring::Ring::next_used).
    pub(super) fn next(&mut self, progress: Progress) -> Result<Option<Used>, DeviceFault> {
        if self.seen <= progress.done {
            let claimed = self.read_claim(progress);
            if claimed == 0 {
                return Ok(None);
            }
            let in_flight = progress.in_flight();
            if claimed > in_flight {
                return Err(DeviceFault::UsedIndexJumped { claimed, in_flight });
            }
            self.barriers.after_used_index_read();
            self.see(progress, claimed);
        }
        Ok(Some(self.read_used(progress)))
    }

    /// As [`Ring::take_used`](crate::queue::ring::Ring::take_used).
    #[inline]
    pub(super) fn take<'a, B, C>(
        &mut self,
        progress: Progress,
        slots: &'a mut [Slot<B, C>],
    ) -> Option<(u32, &'a mut Slot<B, C>, Written)> {
        self.find(progress)?;
        let used = self.read_used(progress);
        let slot = slots.get_mut(used.slot as usize)?;
        let written = slot.record.written(used.len_bytes)?;
        Some((used.slot, slot, written))
    }

    /// As [`Ring::take_used_of`](crate::queue::ring::Ring::take_used_of).
    #[inline]
    pub(super) fn take_of(&mut self, progress: Progress, record: &Record) -> Option<Written> {
        self.find(progress)?;
        // Which slot it is need not be found out, nor whether the length has a meaning: no legacy device has the feature.
        let (id, len_bytes) = self.read_entry(progress);
        match id == record.word {
            true => record.written(len_bytes),
            false => None,
        }
    }

    /// Looks whether the device has filled the next entry of the used ring, as far as what it says can be.
    #[inline]
    fn find(&mut self, progress: Progress) -> Option<()> {
        if self.seen <= progress.done {
            let claimed = self.read_claim(progress);
            // That it has a request is seen by its slot; it is noted nowhere that this one is used, for it is taken right away.
            if claimed != 1 {
                // Nothing becomes a large number.
                if claimed.wrapping_sub(1) >= progress.in_flight() {
                    return None;
                }
                self.see(progress, claimed);
            }
            self.barriers.after_used_index_read();
        }
        Some(())
    }

    /// Returns the slot whose first descriptor is `id`; no slot's number if it is none's.
    #[inline]
    fn slot_of(&self, id: u32) -> u32 {
        // Rotated, so that what is between two first descriptors is far beyond all of them.
        id.rotate_right(self.stride_log2)
    }

    /// Reads how far the device has come with the used ring; it may claim anything.
    #[inline]
    pub(super) fn read_used_index(&self) -> u16 {
        u16::from_le(self.used.load(layout::USED_IDX))
    }

    /// Reads how many more requests the device says it is done with; it may claim anything.
    #[inline]
    fn read_claim(&self, progress: Progress) -> u16 {
        self.read_used_index().wrapping_sub(progress.used_index())
    }

    /// Notes that the device is done with so many more requests, no more than it has.
    #[inline]
    fn see(&mut self, progress: Progress, claimed: u16) {
        self.seen = progress.done.wrapping_add(claimed.into());
    }

    /// Reads the next entry of the used ring, which the device has filled.
    #[inline]
    fn read_used(&self, progress: Progress) -> Used {
        let (id, len_bytes) = self.read_entry(progress);
        Used {
            id,
            slot: self.slot_of(id),
            len_bytes: len_bytes | self.meaningless_len_bits,
            is_len_meant: true,
        }
    }

    /// Reads id and length from the next entry of the used ring, which the device has filled.
    #[inline]
    fn read_entry(&self, progress: Progress) -> (u32, u32) {
        let entry = self.entry(progress.used_index()).wrapping_mul(8);
        let at = layout::USED_RING.wrapping_add(entry);
        let id = u32::from_le(self.used.load(at));
        let len_bytes = u32::from_le(self.used.load(at.wrapping_add(4)));
        (id, len_bytes)
    }
}
