//! The device's side of a split virtqueue, read from and written to as §2.7 has it: [`DeviceQueue`].

mod chain;
mod check;
mod error;
mod notification;
mod request;
mod ring;
mod used;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::device::Violations;
use crate::dma::{DeviceMemory, Exposure};

pub use chain::{Buffer, Chain};
pub use error::RingError;
pub use request::Request;
pub(crate) use request::scatter;
use ring::Ring;

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
///
/// rust-vmm acts for the device (`queue/ring.rs`), and what the driver did is judged beside it (`queue/check.rs`, `queue/chain.rs`).
#[derive(Debug, Default)]
pub struct DeviceQueue {
    size: u16,
    areas: Areas,
    is_enabled: bool,
    /// None if rust-vmm refuses the queue.
    ring: Option<Ring>,
    is_quiet: bool,
    signalled: u16,
    notified: u16,
    /// Up to which index the driver had made chains available when it was last seen to wait.
    awaited: u16,
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
    pub fn used_index(&self) -> u16 {
        self.ring.as_ref().map_or(0, Ring::next_used)
    }

    /// Returns up to which index the device has looked at the available ring.
    #[must_use]
    pub fn last_available(&self) -> u16 {
        self.ring.as_ref().map_or(0, Ring::next_available)
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
        self.ring = Ring::new(size, areas);
        self.check_areas(memory, memory_rule, violations);
    }

    /// Stops using the queue and forgets it.
    pub(crate) fn disable(&mut self, memory: &DeviceMemory) {
        for exposure in self.exposures.drain(..) {
            memory.conceal(exposure);
        }
        *self = Self::default();
    }

    /// Takes the next chain the driver has made available, if there is one.
    ///
    /// The chain is what rust-vmm read, once the checker has nothing against it.
    pub(crate) fn pop(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) -> Result<Option<Chain>, RingError> {
        self.check_next(memory, features, violations)?
            .map(|checked| self.fetch(checked, memory, features, violations))
            .transpose()
    }

    /// Has rust-vmm fetch the chain that was `checked`, and compares.
    fn fetch(
        &mut self,
        mut chain: Chain,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) -> Result<Chain, RingError> {
        let head = chain.head;
        let slot = self.available_slot(self.last_available());
        match self.ring(features)?.pop(memory) {
            Some((first, buffers)) if first == head && buffers == chain.buffers => {
                chain.buffers = buffers;
            }
            other => {
                // A driver that works while the device does may have changed it between the two readings.
                if memory.load_u16(slot)? != head || !self.is_unchanged(&chain, memory, features) {
                    let what = format!("the chain from {head} was changed as it was read");
                    violations.add("CLEAN-01", what);
                    return Err(RingError::Changed { head });
                }
                return Err(RingError::Disagreement {
                    head,
                    checked: chain.buffers.len(),
                    read: other.map(|(_, buffers)| buffers.len()),
                });
            }
        }
        if !self.in_flight.insert(head) {
            return Err(RingError::HeadInFlight { head });
        }
        Ok(chain)
    }

    /// Returns where the available ring has its entry number `index`.
    fn available_slot(&self, index: u16) -> u64 {
        self.areas.driver + 4 + 2 * u64::from(index % self.size)
    }

    fn ring(&mut self, features: RingFeatures) -> Result<&mut Ring, RingError> {
        let size = self.size;
        let ring = self.ring.as_mut().ok_or(RingError::Refused { size })?;
        ring.set_event_index(features.event_index);
        Ok(ring)
    }
}
