//! The device's side of a split virtqueue, read from and written to as §2.7 has it: [`DeviceQueue`].

mod chain;
mod error;
mod notification;
mod request;
mod used;

use std::collections::BTreeSet;

use crate::device::Violations;
use crate::dma::{AccessKind, DeviceMemory, Exposure};

pub use chain::{Buffer, Chain};
pub use error::RingError;
pub use request::Request;
pub(crate) use request::scatter;

/// Bytes of a descriptor.
const DESCRIPTOR_BYTES: u64 = 16;
/// Bytes of an element of the used ring.
const USED_ELEMENT_BYTES: u64 = 8;
/// `VIRTQ_AVAIL_F_NO_INTERRUPT`.
const AVAILABLE_NO_INTERRUPT: u16 = 1;

/// What a device has agreed on that matters to its queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingFeatures {
    /// VIRTIO_F_INDIRECT_DESC.
    pub indirect: bool,
    /// VIRTIO_F_EVENT_IDX.
    pub event_index: bool,
}

/// Where the three parts are, in device addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// Descriptor table.
    pub descriptor: u64,
    /// Available ring.
    pub driver: u64,
    /// Used ring.
    pub device: u64,
}

/// One split virtqueue as its device knows it.
#[derive(Debug, Default)]
pub struct DeviceQueue {
    size: u16,
    areas: Areas,
    is_enabled: bool,
    last_available: u16,
    used_index: u16,
    signalled: u16,
    notified: u16,
    in_flight: BTreeSet<u16>,
    exposures: Vec<Exposure>,
}

impl DeviceQueue {
    /// Returns the queue size, 0 before it is enabled.
    #[must_use]
    pub const fn size(&self) -> u16 {
        self.size
    }

    /// Returns where the parts are.
    #[must_use]
    pub const fn areas(&self) -> Areas {
        self.areas
    }

    /// Says whether the device uses the queue.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Returns the heads of the chains the device has.
    #[must_use]
    pub const fn in_flight(&self) -> &BTreeSet<u16> {
        &self.in_flight
    }

    /// Returns the used index the device has published.
    #[must_use]
    pub const fn used_index(&self) -> u16 {
        self.used_index
    }

    /// Returns up to which index the device has looked at the available ring.
    #[must_use]
    pub const fn last_available(&self) -> u16 {
        self.last_available
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

    /// Begins to use the queue; what is wrong with it is noted, and `memory_rule` is the rule for its memory being zeroed.
    pub(crate) fn enable(
        &mut self,
        size: u16,
        areas: Areas,
        memory: &DeviceMemory,
        memory_rule: &'static str,
        violations: &mut Violations,
    ) {
        *self = Self {
            size,
            areas,
            is_enabled: true,
            ..Self::default()
        };
        // Room for every offset within a queue, so that no sum below wraps.
        let last = areas.descriptor.max(areas.driver).max(areas.device);
        if last > u64::MAX - (1 << 20) {
            self.is_enabled = false;
            violations.add(memory_rule, format!("an area at {last:#x}"));
            return;
        }
        if !size.is_power_of_two() || size > 32768 {
            violations.add("SPLIT-28", format!("queue size {size}"));
        }
        let entries = u64::from(size);
        let parts = [
            (
                "descriptor area",
                areas.descriptor,
                16,
                DESCRIPTOR_BYTES * entries,
                AccessKind::Read,
            ),
            (
                "driver area",
                areas.driver,
                2,
                6 + 2 * entries,
                AccessKind::Read,
            ),
            (
                "device area",
                areas.device,
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

    /// Stops using the queue and forgets it.
    pub(crate) fn disable(&mut self, memory: &DeviceMemory) {
        for exposure in self.exposures.drain(..) {
            memory.conceal(exposure);
        }
        *self = Self::default();
    }

    /// Takes the next chain the driver has made available, if there is one.
    pub(crate) fn pop(
        &mut self,
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
        let from = self.last_available;
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
        let slot = u64::from(from % self.size);
        let head = memory.load_u16(self.areas.driver + 4 + 2 * slot)?;
        let chain = chain::walk(self, head, memory, features, violations)?;
        self.last_available = from.wrapping_add(1);
        if !self.in_flight.insert(head) {
            return Err(RingError::HeadInFlight { head });
        }
        Ok(Some(chain))
    }
}
