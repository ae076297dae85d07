//! Who has to notify whom, and when not to (§2.7.7, §2.7.10).

use std::sync::atomic::{Ordering, fence};

use super::super::{RingError, RingFeatures};
use super::{AVAILABLE_NO_INTERRUPT, SplitQueue, USED_ELEMENT_BYTES};
use crate::device::Violations;
use crate::dma::{DeviceMemory, StrayAccess};

/// `VIRTQ_USED_F_NO_NOTIFY`.
const USED_NO_NOTIFY: u16 = 1;

impl SplitQueue {
    /// Returns how many chains were made available that the device has not looked at.
    pub(in super::super) fn unseen(&self, memory: &DeviceMemory) -> Result<u16, StrayAccess> {
        let published = memory.load_u16(self.areas.driver + 2)?;
        Ok(published.wrapping_sub(self.last_available()))
    }

    /// Returns the index that the available ring goes on with: a notification with data has its 16 bits (§2.9).
    pub(in super::super) fn notification_data(
        &self,
        memory: &DeviceMemory,
    ) -> Result<u16, StrayAccess> {
        memory.load_u16(self.areas.driver + 2)
    }

    /// Notes that the driver waits for the device: by now it has decided whether to notify it of what is available.
    pub(in super::super) fn note_wait(&mut self, memory: &DeviceMemory) {
        if let Ok(published) = memory.load_u16(self.areas.driver + 2) {
            self.awaited = published;
        }
    }

    /// Returns how many chains the driver was seen to wait for that the device has not looked at.
    pub(in super::super) fn awaited_unseen(&self) -> u16 {
        match self.awaited.wrapping_sub(self.last_available()) {
            // Else the device has looked at more since.
            count if count <= self.size => count,
            _ => 0,
        }
    }

    /// Returns the rule that a driver breaks that waits now and has not notified of everything, if there is one.
    pub(in super::super) fn rule_of_silence(
        &self,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Option<&'static str> {
        if features.event_index {
            return Some("SPLIT-24");
        }
        (memory.load_u16(self.areas.device) == Ok(0)).then_some("SPLIT-22")
    }

    /// Checks that a notification that has come was one the device had asked for (§2.7.10.1).
    pub(in super::super) fn check_notification(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) -> Result<(), StrayAccess> {
        let new = memory.load_u16(self.areas.driver + 2)?;
        let old = std::mem::replace(&mut self.notified, new);
        if features.event_index {
            let event = memory.load_u16(self.available_event_addr())?;
            if new.wrapping_sub(event).wrapping_sub(1) >= new.wrapping_sub(old) {
                let what =
                    format!("notified for indices from {old} to {new}, avail_event is {event}");
                violations.add("SPLIT-25", what);
            }
        } else if memory.load_u16(self.areas.device)? & USED_NO_NOTIFY != 0 {
            violations.add("SPLIT-21", "notified while used.flags is 1".to_owned());
        }
        Ok(())
    }

    /// Says whether what was given back since the last time calls for a notification (§2.7.7.2), as rust-vmm has it.
    pub(in super::super) fn wants_interrupt(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Result<bool, RingError> {
        self.signalled = self.used_index();
        let is_needed = self.ring(features)?.needs_notification(memory)?;
        // rust-vmm does not know the flag, and says that a notification is needed.
        Ok(is_needed && (features.event_index || !self.is_interrupt_unwanted(memory)?))
    }

    /// As `wants_interrupt`, for what was written beside rust-vmm, which counts what it has written itself.
    pub(in super::super) fn wants_interrupt_unaided(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Result<bool, RingError> {
        let new = self.used_index();
        let old = std::mem::replace(&mut self.signalled, new);
        // SeqCst: the used index is there before used_event or the flags are read; partner is the driver's
        // `before_suppression_read`, between its write of these and its read of the index (§2.7.7.2).
        // No test can notice its absence where taking a lock waits for the stores before it, as on x86: each access to
        // device memory takes the pool's, also between the store above and the load below. That such a barrier is needed
        // where nothing else orders the two is shown by the model in `levitate-virtio/src/queue/model.rs`.
        fence(Ordering::SeqCst);
        if !features.event_index {
            return Ok(!self.is_interrupt_unwanted(memory)?);
        }
        let event = memory.load_u16(self.areas.driver + 4 + 2 * u64::from(self.size))?;
        let passed = new.wrapping_sub(event).wrapping_sub(1);
        Ok(passed < new.wrapping_sub(old))
    }

    fn is_interrupt_unwanted(&self, memory: &DeviceMemory) -> Result<bool, StrayAccess> {
        Ok(memory.load_u16(self.areas.driver)? & AVAILABLE_NO_INTERRUPT != 0)
    }

    /// Notes that there is work, which is looked for without being notified until [`listen`](Self::listen).
    pub(in super::super) fn be_quiet(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Result<(), RingError> {
        if !self.is_quiet {
            self.is_quiet = true;
            self.ring(features)?.disable_notification(memory)?;
        }
        Ok(())
    }

    /// Asks to be notified of the next chain; true if there is one already.
    pub(in super::super) fn listen(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Result<bool, RingError> {
        self.is_quiet = false;
        self.ring(features)?.enable_notification(memory)
    }

    /// Writes `avail_event`.
    pub(in super::super) fn set_available_event(
        &self,
        value: u16,
        memory: &DeviceMemory,
    ) -> Result<(), StrayAccess> {
        memory.store_u16(self.available_event_addr(), value)
    }

    /// Writes `used.flags`.
    pub(in super::super) fn set_used_flags(
        &self,
        value: u16,
        memory: &DeviceMemory,
    ) -> Result<(), StrayAccess> {
        memory.store_u16(self.areas.device, value)
    }

    const fn available_event_addr(&self) -> u64 {
        self.areas.device + 4 + USED_ELEMENT_BYTES * self.size as u64
    }
}
