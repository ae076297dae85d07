//! The rings of a split virtqueue, and when to notify: [`SplitRing`] (§2.7).
//!
//! What the driver needs to know again is kept in private memory; the rings are only written by it, but for the fields
//! that belong to the device, and those are read once each time.

use core::mem::size_of;

use levitate_hal::{Barriers, Dma, DmaError, DmaRegion};

use super::layout::{self, Block, Descriptor, NO_NOTIFICATION, UsedElement};
use super::size::QueueSize;
use crate::transport::{Placement, QueueAreas};

// The model checker follows what the rings do with shared memory; all of this file is the same for it.
#[cfg_attr(all(test, loom), path = "split/modelled_memory.rs")]
mod memory;
#[cfg(test)]
#[cfg(loom)]
mod model;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use memory::RingMemory;

/// The descriptor table, the available ring and the used ring of one virtqueue.
///
/// INVARIANT: `memory` holds `block`, which was computed for `size`.
/// It is given back only by [`SplitRing::into_memory`]; dropped otherwise, it is leaked, for the device may still use it.
#[derive(Debug)]
pub(super) struct SplitRing<D: Dma> {
    memory: RingMemory<D>,
    block: Block,
    size: QueueSize,
    /// Where the next entry of the available ring goes; the device's copy is in the ring.
    available_index: u16,
    /// `available_index` when it was last decided whether to notify.
    decided_index: u16,
    /// Where the next entry of the used ring is expected.
    used_index: u16,
    /// Whether VIRTIO_F_EVENT_IDX was negotiated.
    has_event_index: bool,
    barriers: Barriers,
}

impl<D: Dma> SplitRing<D> {
    /// Allocates zeroed rings that ask for no used buffer notifications.
    pub(super) fn new(
        dma: &D,
        size: QueueSize,
        placement: Placement,
        has_event_index: bool,
        barriers: Barriers,
    ) -> Result<Self, DmaError> {
        let (block, align_bytes) = match placement {
            Placement::Separate => (
                layout::block(size, layout::USED_RING_ALIGN),
                layout::DESCRIPTOR_TABLE_ALIGN,
            ),
            Placement::Block => (
                layout::block(size, layout::LEGACY_ALIGN),
                layout::LEGACY_ALIGN,
            ),
        };
        let memory = RingMemory::new(dma, &block, align_bytes)?;
        let ring = Self {
            memory,
            block,
            size,
            available_index: 0,
            decided_index: 0,
            used_index: 0,
            has_event_index,
            barriers,
        };
        ring.suppress_used_notifications();
        Ok(ring)
    }

    /// Returns where the device finds the three areas.
    pub(super) fn areas(&self) -> QueueAreas {
        let base = self.memory.device_addr();
        // The block lies inside the region, which does not wrap round the address space.
        let at = |offset: usize| base.checked_add(offset as u64).unwrap_or(base);
        QueueAreas {
            size: self.size,
            descriptor: base,
            driver: at(self.block.available_ring),
            device: at(self.block.used_ring),
        }
    }

    /// Returns the memory; the caller knows that the device cannot reach it any more.
    pub(super) fn into_memory(self) -> DmaRegion<D> {
        self.memory.into_region()
    }

    /// Writes one entry of the descriptor table; entries past its end wrap round.
    pub(super) fn write_descriptor(&self, index: u16, descriptor: Descriptor) {
        let offset = self.size.slot(index).wrapping_mul(size_of::<Descriptor>());
        self.memory.store(offset, descriptor);
    }

    /// Makes the chain that begins at descriptor `head` available (§2.7.13).
    pub(super) fn make_available(&mut self, head: u16) {
        let entry = self.size.slot(self.available_index).wrapping_mul(2);
        self.memory.store(
            self.available(layout::AVAILABLE_RING).wrapping_add(entry),
            head.to_le(),
        );
        self.barriers.before_publish();
        self.available_index = self.available_index.wrapping_add(1);
        self.memory.store(
            self.available(layout::AVAILABLE_IDX),
            self.available_index.to_le(),
        );
    }

    /// Returns where the next chain will be made available.
    pub(super) const fn available_index(&self) -> u16 {
        self.available_index
    }

    /// Decides whether the device must be notified of what was made available since the last decision (§2.7.13.4).
    pub(super) fn needs_notification(&mut self) -> bool {
        let old = self.decided_index;
        let new = self.available_index;
        if old == new {
            return false;
        }
        self.decided_index = new;
        // The device stores its event index, or its flag, and then looks at `idx`; the driver stores `idx` and then looks there.
        self.barriers.before_suppression_read();
        if self.has_event_index {
            is_crossed(self.read_avail_event(), old, new)
        } else {
            let flags = u16::from_le(self.memory.load(self.used(layout::USED_FLAGS)));
            flags & NO_NOTIFICATION == 0
        }
    }

    /// Reads whether the device has fetched the chain made available at `index`; `None` without VIRTIO_F_EVENT_IDX.
    pub(super) fn is_fetched(&self, index: u16) -> Option<bool> {
        // A device asks to be notified of the next chain it has not fetched, so all before that one are.
        self.has_event_index.then(|| {
            let ahead = self.read_avail_event().wrapping_sub(index);
            ahead != 0 && ahead <= self.size.get()
        })
    }

    /// Reads how far the device has come with the available ring, as it last asked to be notified.
    fn read_avail_event(&self) -> u16 {
        u16::from_le(self.memory.load(self.used(self.size.avail_event_offset())))
    }

    /// Reads how many chains the device has used since they were last counted; a device may claim any number.
    pub(super) fn read_used_count(&self) -> u16 {
        let device_index = u16::from_le(self.memory.load(self.used(layout::USED_IDX)));
        let count = device_index.wrapping_sub(self.used_index);
        if count != 0 {
            self.barriers.after_used_index_read();
        }
        count
    }

    /// Reads the next entry of the used ring, which [`read_used_count`](Self::read_used_count) said is there: id and length.
    pub(super) fn take_used(&mut self) -> (u32, u32) {
        let entry = self
            .size
            .slot(self.used_index)
            .wrapping_mul(size_of::<UsedElement>());
        let element: UsedElement = self
            .memory
            .load(self.used(layout::USED_RING).wrapping_add(entry));
        self.used_index = self.used_index.wrapping_add(1);
        (element.id.get(), element.len.get())
    }

    /// Asks the device for no used buffer notifications (§2.7.7); it may send some all the same.
    pub(super) fn suppress_used_notifications(&self) {
        if self.has_event_index {
            // The entry before the next one: the device comes to it only after all others.
            self.memory.store(
                self.available(self.size.used_event_offset()),
                self.used_index.wrapping_sub(1).to_le(),
            );
        } else {
            self.memory.store(
                self.available(layout::AVAILABLE_FLAGS),
                NO_NOTIFICATION.to_le(),
            );
        }
    }

    /// Asks the device for a notification of the next used buffer, and says whether one has come already (§2.7.14).
    ///
    /// With VIRTIO_F_EVENT_IDX that is the buffer `count` from now; 0 is the next one too.
    pub(super) fn request_used_notification(&self, count: u16) -> bool {
        if self.has_event_index {
            let event = self.used_index.wrapping_add(count.saturating_sub(1));
            self.memory
                .store(self.available(self.size.used_event_offset()), event.to_le());
        } else {
            self.memory
                .store(self.available(layout::AVAILABLE_FLAGS), 0_u16);
        }
        self.barriers.before_suppression_read();
        self.read_used_count() != 0
    }

    const fn available(&self, offset: usize) -> usize {
        self.block.available_ring.wrapping_add(offset)
    }

    const fn used(&self, offset: usize) -> usize {
        self.block.used_ring.wrapping_add(offset)
    }
}

/// Says whether `event` is among the indices `old` to `new - 1`, all of them counted modulo 2^16 (§2.7.10).
const fn is_crossed(event: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
