//! Who has to notify whom, by the two event suppression structures (§2.8.10, §2.8.14).

use std::sync::atomic::{Ordering, fence};

use super::super::{RingError, RingFeatures};
use super::descriptor::{self, NEXT};
use super::{PackedQueue, Position};
use crate::device::Violations;
use crate::dma::{DeviceMemory, StrayAccess};

/// Where a structure has its flags; before them are offset and wrap counter.
const FLAGS_OFFSET: u64 = 2;
/// `RING_EVENT_FLAGS_ENABLE`.
const ENABLE: u16 = 0;
/// `RING_EVENT_FLAGS_DISABLE`.
const DISABLE: u16 = 1;
/// `RING_EVENT_FLAGS_DESC`.
const DESC: u16 = 2;

impl PackedQueue {
    /// Checks the flags that the driver has written for the device (§2.8.10).
    pub(super) fn check_driver_event(
        &self,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) -> Result<(), StrayAccess> {
        let flags = memory.load_u16(self.areas.driver + FLAGS_OFFSET)?;
        let last = if features.event_index { DESC } else { DISABLE };
        if flags > last {
            let what = format!("the flags of the driver event suppression are {flags:#x}");
            violations.add("PACKED-24", what);
        }
        Ok(())
    }

    /// Says whether what was given back since the last time calls for a notification.
    pub(in super::super) fn wants_interrupt(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Result<bool, StrayAccess> {
        let new = self.next_used;
        let old = std::mem::replace(&mut self.signalled, new);
        // SeqCst: the used flags are there before the driver's structure is read; partner is the driver's barrier between its
        // write of the structure and its last look at the ring (§2.8.22).
        fence(Ordering::SeqCst);
        Ok(match memory.load_u16(self.areas.driver + FLAGS_OFFSET)? {
            DISABLE => false,
            DESC if features.event_index => {
                let bits = memory.load_u16(self.areas.driver)?;
                self.is_passed(Position::from_bits(bits), old, new)
            }
            _ => true,
        })
    }

    /// Says whether `event` is one of the descriptors from `old` to before `new`.
    fn is_passed(&self, event: Position, old: Position, new: Position) -> bool {
        event.slot < self.size
            && old.distance_to(event, self.size) < old.distance_to(new, self.size)
    }

    /// Notes that there is work, which is looked for without being notified until [`listen`](Self::listen).
    pub(in super::super) fn be_quiet(
        &mut self,
        memory: &DeviceMemory,
        _features: RingFeatures,
    ) -> Result<(), RingError> {
        if !self.is_quiet {
            self.is_quiet = true;
            self.set_used_flags(DISABLE, memory)?;
        }
        Ok(())
    }

    /// Asks to be notified of the next list; true if there is one already.
    pub(in super::super) fn listen(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Result<bool, RingError> {
        self.is_quiet = false;
        let next = self.next_available;
        if features.event_index {
            self.set_available_event(next.to_bits(), memory)?;
            self.set_used_flags(DESC, memory)?;
        } else {
            self.set_used_flags(ENABLE, memory)?;
        }
        // SeqCst: the wish is there before the ring is looked at once more; partner is the driver's barrier between the flags
        // that make a list available and its look at the structure (§2.8.21.3.1).
        fence(Ordering::SeqCst);
        let flags = memory.load_u16(self.flags_addr(next))?;
        Ok(descriptor::is_available(flags, next.wrap))
    }

    /// Returns the rule that a driver breaks that waits now and has not notified of everything, if there is one.
    pub(in super::super) fn rule_of_silence(
        &self,
        memory: &DeviceMemory,
        _features: RingFeatures,
    ) -> Option<&'static str> {
        let flags = memory.load_u16(self.areas.device + FLAGS_OFFSET);
        (flags != Ok(DISABLE)).then_some("PACKED-17")
    }

    /// Returns how many lists were made available that the device has not looked at.
    pub(in super::super) fn unseen(&self, memory: &DeviceMemory) -> Result<u16, StrayAccess> {
        Ok(self.look_ahead(memory)?.0)
    }

    /// Returns the position of the first descriptor that is not available: a notification with data has its bits (§2.9).
    pub(in super::super) fn notification_data(
        &self,
        memory: &DeviceMemory,
    ) -> Result<u16, StrayAccess> {
        let (_, descriptors) = self.look_ahead(memory)?;
        Ok(self.next_available.ahead(descriptors, self.size).to_bits())
    }

    /// Counts lists, and descriptors in them, that are available and that the device has not taken.
    fn look_ahead(&self, memory: &DeviceMemory) -> Result<(u16, u16), StrayAccess> {
        let mut lists = 0;
        let mut is_first = true;
        for index in 0..self.size - self.owned.min(self.size) {
            let position = self.next_available.ahead(index, self.size);
            let flags = memory.load_u16(self.flags_addr(position))?;
            if !descriptor::is_available(flags, position.wrap) {
                return Ok((lists, index));
            }
            lists += u16::from(is_first);
            is_first = flags & NEXT == 0;
        }
        Ok((lists, self.size - self.owned.min(self.size)))
    }

    /// Notes that the driver waits for the device: by now it has decided whether to notify it of what is available.
    pub(in super::super) fn note_wait(&mut self, memory: &DeviceMemory) {
        if let Ok((_, descriptors)) = self.look_ahead(memory) {
            self.awaited = descriptors;
        }
    }

    /// Returns how many descriptors the driver was seen to wait for that the device has not looked at.
    pub(in super::super) const fn awaited_unseen(&self) -> u16 {
        self.awaited
    }

    /// Writes offset and wrap counter of the device event suppression.
    pub(in super::super) fn set_available_event(
        &self,
        value: u16,
        memory: &DeviceMemory,
    ) -> Result<(), StrayAccess> {
        memory.store_u16(self.areas.device, value)
    }

    /// Writes the flags of the device event suppression.
    pub(in super::super) fn set_used_flags(
        &self,
        value: u16,
        memory: &DeviceMemory,
    ) -> Result<(), StrayAccess> {
        memory.store_u16(self.areas.device + FLAGS_OFFSET, value)
    }
}
