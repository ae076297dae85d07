//! What a driver may and may not do with the rings, judged on our own reading of them.

use super::super::area::Part;
use super::super::{Chain, DESCRIPTOR_BYTES, RingError, RingFeatures};
use super::{AVAILABLE_NO_INTERRUPT, SplitQueue, USED_ELEMENT_BYTES, chain};
use crate::device::Violations;
use crate::dma::{AccessKind, DeviceMemory};

impl SplitQueue {
    /// Returns the three parts, as they have to be (§2.7).
    pub(in super::super) fn parts(&self) -> [Part; 3] {
        let entries = u64::from(self.size);
        [
            Part {
                name: "descriptor area",
                addr: self.areas.descriptor,
                align: 16,
                len_bytes: DESCRIPTOR_BYTES * entries,
                uses: &[AccessKind::Read],
            },
            Part {
                name: "driver area",
                addr: self.areas.driver,
                align: 2,
                len_bytes: 6 + 2 * entries,
                uses: &[AccessKind::Read],
            },
            Part {
                name: "device area",
                addr: self.areas.device,
                align: 4,
                len_bytes: 6 + USED_ELEMENT_BYTES * entries,
                uses: &[AccessKind::Write],
            },
        ]
    }

    /// Notes what is wrong with the size and the content of a queue that is enabled.
    pub(in super::super) fn check_enabled(
        &self,
        memory: &DeviceMemory,
        memory_rule: &'static str,
        violations: &mut Violations,
    ) {
        if !self.size.is_power_of_two() || self.size > 32768 {
            violations.add("SPLIT-28", format!("queue size {}", self.size));
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
    pub(super) fn is_unchanged(
        &self,
        chain: &Chain,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> bool {
        let mut unheard = Violations::default();
        chain::walk(self, chain.head, memory, features, &mut unheard).is_ok_and(|now| now == *chain)
    }

    /// Returns the rule that was broken if they are not.
    pub(in super::super) fn rule_of_change(
        &self,
        chain: &Chain,
        memory: &DeviceMemory,
        features: RingFeatures,
    ) -> Option<&'static str> {
        (!self.is_unchanged(chain, memory, features)).then_some("CLEAN-01")
    }
}
