//! What a driver may and may not do with the rings, judged on our own reading of them.

use super::{
    AVAILABLE_NO_INTERRUPT, Chain, DESCRIPTOR_BYTES, DeviceQueue, RingError, RingFeatures,
    USED_ELEMENT_BYTES, chain,
};
use crate::device::Violations;
use crate::dma::{AccessKind, DeviceMemory};

impl DeviceQueue {
    /// Notes what is wrong with the memory of a queue that is enabled.
    pub(super) fn check_areas(
        &mut self,
        memory: &DeviceMemory,
        memory_rule: &'static str,
        violations: &mut Violations,
    ) {
        if !self.size.is_power_of_two() || self.size > 32768 {
            violations.add("SPLIT-28", format!("queue size {}", self.size));
        }
        let entries = u64::from(self.size);
        let parts = [
            (
                "descriptor area",
                self.areas.descriptor,
                16,
                DESCRIPTOR_BYTES * entries,
                AccessKind::Read,
            ),
            (
                "driver area",
                self.areas.driver,
                2,
                6 + 2 * entries,
                AccessKind::Read,
            ),
            (
                "device area",
                self.areas.device,
                4,
                6 + USED_ELEMENT_BYTES * entries,
                AccessKind::Write,
            ),
        ];
        for (name, addr, align, len_bytes, kind) in parts {
            if addr % align != 0 {
                violations.add(
                    "SPLIT-01",
                    format!("{name} at {addr:#x} is not {align}-byte aligned"),
                );
            }
            if let Err(stray) = memory.check(addr, len_bytes, kind) {
                violations.add(memory_rule, format!("{name}: {stray}"));
            } else {
                self.exposures.push(memory.expose(addr, len_bytes));
            }
        }
        self.check_zeroed(memory, memory_rule, violations);
    }

    fn check_zeroed(
        &self,
        memory: &DeviceMemory,
        memory_rule: &'static str,
        violations: &mut Violations,
    ) {
        let used_len = 6 + USED_ELEMENT_BYTES * u64::from(self.size);
        let (driver, device) = (self.areas.driver, self.areas.device);
        if memory.check(device, used_len, AccessKind::Read).is_ok() {
            let mut used = vec![0; used_len as usize];
            // Checked just above, so it cannot fail.
            if memory.read(device, &mut used).is_ok() {
                if used[..2] != [0, 0] {
                    violations.add("SPLIT-19", "used.flags is not zero".to_owned());
                }
                if used[2..].iter().any(|byte| *byte != 0) {
                    violations.add(memory_rule, "the device area is not zeroed".to_owned());
                }
            }
        }
        if memory.check(driver, 4, AccessKind::Read).is_ok()
            && !matches!(memory.load_u16(driver + 2), Ok(0))
        {
            violations.add(
                memory_rule,
                "the available index does not start at 0".to_owned(),
            );
        }
    }

    /// Reads the next chain in the available ring, if there is one, and notes every rule that it breaks.
    pub(super) fn check_next(
        &self,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) -> Result<Option<Chain>, RingError> {
        let flags = memory.load_u16(self.areas.driver)?;
        if features.event_index && flags != 0 {
            violations.add(
                "SPLIT-14",
                format!("avail.flags is {flags:#x} with EVENT_IDX"),
            );
        } else if flags > AVAILABLE_NO_INTERRUPT {
            violations.add("SPLIT-12", format!("avail.flags is {flags:#x}"));
        }
        let to = memory.load_u16(self.areas.driver + 2)?;
        let from = self.last_available();
        if to == from {
            return Ok(None);
        }
        if to.wrapping_sub(from) > self.size {
            violations.add(
                "SPLIT-11",
                format!("the available index went from {from} to {to}"),
            );
            return Err(RingError::AvailableIndex {
                from,
                to,
                size: self.size,
            });
        }
        let head = memory.load_u16(self.available_slot(from))?;
        let chain = chain::walk(self, head, memory, features, violations)?;
        for buffer in &chain.buffers {
            let kind = if buffer.is_writable {
                AccessKind::Write
            } else {
                AccessKind::Read
            };
            memory.demand(buffer.addr, u64::from(buffer.len_bytes), kind)?;
        }
        Ok(Some(chain))
    }

    /// Says whether the descriptors of a chain in flight are still what they were.
    pub(crate) fn is_unchanged(
        &self,
        chain: &Chain,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> bool {
        let mut unheard = Violations::default();
        chain::walk(self, chain.head, memory, features, &mut unheard).is_ok_and(|now| now == *chain)
    }
}
