//! The rings of a split virtqueue as the driver keeps them: [`SplitRing`] (§2.7).

use core::mem::size_of;

use levitate_hal::{Barriers, Dma, DmaError, DmaRegion};

use super::DeviceFault;
use super::chain::{Part, Parts};
use super::layout::{self, Block, Descriptor, DescriptorFlags, NO_NOTIFICATION};
use super::memory::{RingMemory, RingPart};
use super::packed::PackedRing;
use super::ring::{Progress, Ring, RingConfig, Used, words};
use super::size::QueueSize;
use super::slot::{Record, Slot, Written};
use crate::features::Features;
use crate::transport::{Interface, Placement, QueueAreas};

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod used;

/// The descriptor table, the available ring and the used ring of one virtqueue.
///
/// Each slot has descriptors of its own in the table, so that those of the slot's last chain are still there for the next one.
///
/// INVARIANT: `memory` holds `block`, which was computed for `size`; `mask` is below that.
#[derive(Debug)]
pub struct SplitRing<D: Dma> {
    pub(super) memory: RingMemory<D>,
    descriptors: RingPart,
    available: RingPart,
    used: RingPart,
    block: Block,
    size: QueueSize,
    /// What is left of an index that counts without end: which entry of a ring it falls on.
    mask: usize,
    /// Descriptors of one slot, as a power of two.
    stride_log2: u32,
    /// How many requests the device was done with when it was last asked, if that is more than were taken; no more than it had.
    seen: u64,
    /// Whether VIRTIO_F_EVENT_IDX was negotiated.
    has_event_index: bool,
    wish: Wish,
    barriers: Barriers,
    /// All ones for a legacy device, else nothing.
    meaningless_len_bits: u32,
}

/// What the driver last asked of the device about used buffer notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// None, as of this index of the used ring.
    None { since: u16 },
    /// One at the entry `event` of the used ring; of each, without VIRTIO_F_EVENT_IDX.
    At { event: u16 },
}

/// After so many used buffers an event index that is to be far away is set anew when there is nothing more to be taken, so that the
/// device seldom comes round to it.
const FAR: u16 = 1 << 14;

impl<D: Dma> SplitRing<D> {
    /// Writes one entry of the descriptor table; entries past its end wrap round.
    #[inline]
    fn write_descriptor(&self, index: u16, descriptor: [u64; 2]) {
        let offset = self.entry(index).wrapping_mul(size_of::<Descriptor>());
        let [addr, rest] = descriptor;
        self.descriptors.store(offset, addr);
        self.descriptors.store(offset.wrapping_add(8), rest);
    }

    /// Changes address and length in a descriptor of a chain that is laid out, which begins at `head`, in bytes.
    #[inline]
    pub(super) fn change_descriptor(&self, head: u32, position: u16, part: &Part) {
        // A slot's descriptors are inside the table, one behind the other.
        let ahead = usize::from(position).wrapping_mul(size_of::<Descriptor>());
        let offset = (head as usize).wrapping_add(ahead);
        self.descriptors.store(offset, part.addr.get().to_le());
        let len = offset.wrapping_add(8);
        self.descriptors.store(len, part.len_bytes.to_le());
    }

    /// Makes the chain available whose first descriptor has the index `id` (§2.7.13).
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is a descriptor's index"
    )]
    pub(super) fn make_available(&self, progress: &mut Progress, id: u32) {
        let entry = self.entry(progress.available_index()).wrapping_mul(2);
        let at = layout::AVAILABLE_RING.wrapping_add(entry);
        self.available.store(at, (id as u16).to_le());
        self.barriers.before_publish();
        progress.note_submitted();
        let next = progress.available_index();
        self.available.store(layout::AVAILABLE_IDX, next.to_le());
    }

    /// Returns which entry of a ring an index falls on that counts without end.
    #[inline]
    const fn entry(&self, index: u16) -> usize {
        index as usize & self.mask
    }

    /// Returns the first descriptor of a slot.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "an index has 16 bits")]
    fn head_of(&self, slot: u32) -> u16 {
        slot.wrapping_shl(self.stride_log2) as u16
    }

    /// Reads how far the device has come with the available ring, as it last asked to be notified.
    fn read_avail_event(&self) -> u16 {
        u16::from_le(self.used.load(self.size.avail_event_offset()))
    }

    fn write_used_event(&self, event: u16) {
        let at = self.size.used_event_offset();
        self.available.store(at, event.to_le());
    }

    fn write_available_flags(&self, flags: u16) {
        self.available.store(layout::AVAILABLE_FLAGS, flags.to_le());
    }
}

impl<D: Dma> Ring<D> for SplitRing<D> {
    fn new(dma: &D, config: &RingConfig) -> Result<Self, DmaError> {
        let (used_ring_align, align_bytes) = match config.placement {
            Placement::Separate => (layout::USED_RING_ALIGN, layout::DESCRIPTOR_TABLE_ALIGN),
            Placement::Block => (layout::LEGACY_ALIGN, layout::LEGACY_ALIGN),
        };
        let block = layout::block(config.size, used_ring_align);
        let memory = RingMemory::new(dma, &block, align_bytes)?;
        let descriptors_per_slot = config.descriptors_per_slot.max(1);
        let ring = Self {
            descriptors: memory.part(block.descriptor_table),
            available: memory.part(block.available_ring),
            used: memory.part(block.used_ring),
            memory,
            block,
            size: config.size,
            mask: config.size.mask().into(),
            stride_log2: descriptors_per_slot.next_power_of_two().ilog2(),
            seen: 0,
            has_event_index: config.features.contains(Features::EVENT_IDX),
            wish: Wish::None { since: 0 },
            barriers: config.barriers,
            meaningless_len_bits: match config.interface {
                Interface::Legacy => u32::MAX,
                Interface::Modern => 0,
            },
        };
        match ring.has_event_index {
            true => ring.write_used_event(u16::MAX),
            false => ring.write_available_flags(NO_NOTIFICATION),
        }
        Ok(ring)
    }

    fn areas(&self) -> QueueAreas {
        QueueAreas {
            size: self.size,
            descriptor: self.memory.device_addr_at(self.block.descriptor_table),
            driver: self.memory.device_addr_at(self.block.available_ring),
            device: self.memory.device_addr_at(self.block.used_ring),
        }
    }

    fn into_memory(self) -> DmaRegion<D> {
        self.memory.into_region()
    }

    unsafe fn lay_out<P: Parts>(&mut self, record: &mut Record, slot: u32, chain: P) {
        let head = self.head_of(slot);
        record.word = head.into();
        record.head = u32::from(head).wrapping_mul(layout::DESCRIPTOR_BYTES);
        if record.way.is_direct() {
            chain.for_each(|part, position, is_last| {
                let index = head.wrapping_add(position);
                self.write_descriptor(index, descriptor(part, index, is_last));
            });
            return;
        }
        let footer_bytes = chain.footer_bytes();
        let entries = chain.for_each(|part, position, is_last| {
            let entry = descriptor(part, position, is_last);
            // SAFETY: the caller vouches for it.
            unsafe {
                chain
                    .place()
                    .write_table_entry(footer_bytes, position, entry)
            };
        });
        let len_bytes = u32::from(entries).wrapping_mul(layout::DESCRIPTOR_BYTES);
        let flags = DescriptorFlags::INDIRECT.bits();
        let table = chain.place().table_addr(footer_bytes).get();
        self.write_descriptor(head, words(table, len_bytes, flags, 0));
    }

    #[inline]
    unsafe fn add<P: Parts>(&mut self, record: &mut Record, progress: &mut Progress, chain: P) {
        match chain.single() {
            None => {}
            Some((part, position)) if record.way.is_direct() => {
                self.change_descriptor(record.head, position, &part);
            }
            Some((part, position)) => {
                let (place, footer_bytes) = (chain.place(), chain.footer_bytes());
                // SAFETY: the caller vouches for it.
                unsafe { place.change_table_entry(footer_bytes, position, &part) };
            }
        }
        self.make_available(progress, record.word);
    }

    #[inline]
    fn as_split(&mut self) -> Option<&mut Self> {
        Some(self)
    }

    #[inline]
    fn as_packed(&mut self) -> Option<&mut PackedRing<D>> {
        None
    }

    #[inline]
    fn position(&self, progress: Progress) -> u16 {
        progress.available_index()
    }

    #[inline]
    fn needs_notification(&mut self, progress: Progress) -> Option<bool> {
        // The device stores its event index, or its flag, and then looks at `idx`; the driver stores `idx` and then looks there.
        self.barriers.before_suppression_read();
        Some(match self.has_event_index {
            true => self.needs_notification_by_event(progress),
            false => {
                let flags = u16::from_le(self.used.load(layout::USED_FLAGS));
                flags & NO_NOTIFICATION == 0
            }
        })
    }

    #[inline]
    fn needs_notification_by_event(&mut self, progress: Progress) -> bool {
        let event = self.read_avail_event();
        // The device was done with all there was: it waits for the first one of these.
        if event == progress.decided_index() {
            return true;
        }
        let new = progress.available_index();
        // All indices there are were passed: among them is the one that the device asks for.
        u16::try_from(progress.undecided())
            .ok()
            .is_none_or(|added| is_crossed(event, new.wrapping_sub(added), new))
    }

    fn is_fetched(&self, record: &Record) -> Option<bool> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "each request is one entry of the available ring, whose index has 16 bits"
        )]
        let position = record.sequence as u16;
        // A device asks to be notified of the next chain it has not fetched, so all before that one are.
        self.has_event_index.then(|| {
            let ahead = self.read_avail_event().wrapping_sub(position);
            ahead != 0 && ahead <= self.size.get()
        })
    }

    fn next_used(&mut self, progress: Progress) -> Result<Option<Used>, DeviceFault> {
        self.next(progress)
    }

    #[inline]
    fn take_used<'a, B, C>(
        &mut self,
        progress: Progress,
        slots: &'a mut [Slot<B, C>],
    ) -> Option<(u32, &'a mut Slot<B, C>, Written)> {
        self.take(progress, slots)
    }

    #[inline]
    fn take_used_of(&mut self, progress: Progress, _slot: u32, record: &Record) -> Option<Written> {
        self.take_of(progress, record)
    }

    #[inline]
    fn covers(&self, progress: Progress, chains: u16) -> bool {
        u64::from(chains) <= self.seen.saturating_sub(progress.done)
    }

    #[inline]
    fn pass_used(&mut self, _descriptors: u16) {}

    #[inline]
    fn suppress_used_notifications(&mut self, progress: Progress) {
        let used_index = progress.used_index();
        match self.wish {
            Wish::None { .. } if !self.has_event_index => return,
            Wish::None { since } if used_index.wrapping_sub(since) < FAR => return,
            _ => {}
        }
        self.wish = Wish::None { since: used_index };
        if self.has_event_index {
            // The entry before the next one: the device comes to it only after all others.
            self.write_used_event(used_index.wrapping_sub(1));
        } else {
            self.write_available_flags(NO_NOTIFICATION);
        }
    }

    fn request_used_notification(&mut self, progress: Progress, count: u16) -> bool {
        let used_index = progress.used_index();
        let event = match self.has_event_index {
            true => used_index.wrapping_add(count.saturating_sub(1)),
            false => 0,
        };
        // What was used since it was asked for is notified, or seen by now.
        if self.wish == (Wish::At { event }) {
            return false;
        }
        self.wish = Wish::At { event };
        if self.has_event_index {
            self.write_used_event(event);
        } else {
            self.write_available_flags(0);
        }
        // The device stores its index and then looks at the wish; the driver stores the wish and then looks at the index.
        self.barriers.before_suppression_read();
        self.read_used_index() != used_index
    }
}

/// Returns the words of a descriptor at `index` of its table; the next one of its chain is the one behind it.
#[inline]
fn descriptor(part: Part, index: u16, is_last: bool) -> [u64; 2] {
    let (link, next) = match is_last {
        true => (DescriptorFlags::empty(), 0),
        false => (DescriptorFlags::NEXT, index.wrapping_add(1)),
    };
    let flags = part.flags() | link;
    words(part.addr.get(), part.len_bytes, flags.bits(), next)
}

/// Says whether `event` is among the indices `old` to `new - 1`, all of them counted modulo 2^16 (§2.7.10).
const fn is_crossed(event: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
