//! Of which request the driver must wish to be notified, and whether its part of the ring says so (§2.7.10, §2.8.10).

use super::Model;
use crate::device::Device;
use crate::device::ring::Wish;
use crate::sabotage::Sabotage;

impl Model {
    /// Says whether a driver that has found all there is, and waits for so many more together, is notified when it must be: when the
    /// last of them is done, and no later than when all that the device has is.
    pub(in super::super) fn is_wish_right(&self, device: &Device, awaited: usize) -> bool {
        let Some(ring) = &device.ring else {
            return true;
        };
        let mut after = awaited.min(self.in_flight.len()).max(1);
        if self.sabotage == Sabotage::LateEvent {
            after += 1;
        }
        match ring.wish(&device.memory) {
            // What the device wrote there itself is not the driver's.
            _ if ring.driver_part_is_dirty => true,
            Wish::Never => false,
            Wish::Each => !ring.has_event_index,
            Wish::AtIndex(index) => usize::from(index.wrapping_sub(self.used_index)) == after - 1,
            Wish::AtPosition(position) => {
                // Where chains differ in length it is known of the next one only; by the first, that is said soon enough.
                let is_one_each = self.in_flight.iter().all(|one| one.descriptors == 1);
                let mut last = self.next_used;
                last.advance(after as u16 - 1, ring.size);
                let is_next = position == self.next_used && self.sabotage != Sabotage::LateEvent;
                is_next || is_one_each && position == last
            }
        }
    }
}
