//! A split virtqueue as its device knows it (§2.7): [`SplitQueue`].

mod chain;
mod check;
mod notification;
mod ring;
#[cfg(test)]
mod tests;
mod used;

use super::{Areas, Chain, RingError, RingFeatures};
use crate::device::Violations;
use crate::dma::DeviceMemory;
use ring::Ring;

/// Bytes of an element of the used ring.
const USED_ELEMENT_BYTES: u64 = 8;
/// `VIRTQ_AVAIL_F_NO_INTERRUPT`.
const AVAILABLE_NO_INTERRUPT: u16 = 1;

/// The rings of one split virtqueue.
///
/// rust-vmm acts for the device (`split/ring.rs`), and what the driver did is judged beside it (`split/check.rs`, `split/chain.rs`).
#[derive(Debug)]
pub(super) struct SplitQueue {
    size: u16,
    areas: Areas,
    /// None if rust-vmm refuses the queue.
    ring: Option<Ring>,
    is_quiet: bool,
    signalled: u16,
    notified: u16,
    /// Up to which index the driver had made chains available when it was last seen to wait.
    awaited: u16,
}

impl SplitQueue {
    pub(super) fn new(size: u16, areas: Areas) -> Self {
        Self {
            size,
            areas,
            ring: Ring::new(size, areas),
            is_quiet: false,
            signalled: 0,
            notified: 0,
            awaited: 0,
        }
    }

    /// Returns the used index the device has published.
    pub(super) fn used_index(&self) -> u16 {
        self.ring.as_ref().map_or(0, Ring::next_used)
    }

    /// Returns up to which index the device has looked at the available ring.
    pub(super) fn last_available(&self) -> u16 {
        self.ring.as_ref().map_or(0, Ring::next_available)
    }

    /// Takes the next chain the driver has made available, if there is one.
    ///
    /// The chain is what rust-vmm read, once the checker has nothing against it.
    pub(super) fn pop(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) -> Result<Option<Chain>, RingError> {
        let Some(checked) = self.check_next(memory, features, violations)? else {
            return Ok(None);
        };
        let is_all_seen = self.awaited == self.last_available();
        let chain = self.fetch(checked, memory, features, violations)?;
        if is_all_seen {
            // Else the index would come round to it, and it would look like a chain that is waited for.
            self.awaited = self.last_available();
        }
        Ok(Some(chain))
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
                Ok(chain)
            }
            other => {
                // A driver that works while the device does may have changed it between the two readings.
                if memory.load_u16(slot)? != head || !self.is_unchanged(&chain, memory, features) {
                    let what = format!("the chain from {head} was changed as it was read");
                    violations.add("CLEAN-01", what);
                    return Err(RingError::Changed { head });
                }
                Err(RingError::Disagreement {
                    head,
                    checked: chain.buffers.len(),
                    read: other.map(|(_, buffers)| buffers.len()),
                })
            }
        }
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
