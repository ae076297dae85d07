//! The ring of a packed virtqueue as the driver keeps it: [`PackedRing`] (§2.8).

use levitate_hal::{Barriers, Dma, DmaError, DmaRegion};

use super::DeviceFault;
use super::chain::Parts;
use super::layout::DescriptorFlags;
use super::memory::{RingMemory, RingPart};
use super::ring::{Progress, Ring, RingConfig, Used};
use super::size::QueueSize;
use super::slot::Record;
use super::split::SplitRing;
use crate::features::Features;
use crate::transport::QueueAreas;

mod chains;
pub mod layout;
mod position;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use chains::{last_word, table_entry};
use layout::{Events, PackedBlock, PackedFlags};
use position::Position;

/// The descriptor ring of one virtqueue, and both event suppression areas.
///
/// INVARIANT: `memory` holds `block`, which was computed for the size of the positions.
#[derive(Debug)]
pub struct PackedRing<D: Dma> {
    pub(super) memory: RingMemory<D>,
    /// All of it.
    ring: RingPart,
    device_event: RingPart,
    block: PackedBlock,
    size: QueueSize,
    /// Where the next descriptor is made available.
    next_available: Position,
    /// Where the next used descriptor is expected.
    next_used: Position,
    /// Where the next descriptor was made available when it was last decided whether to notify, as event suppression areas have it.
    decided: u16,
    /// How many chains there can be without the ring being full.
    chains_per_lap: u64,
    /// Whether every chain has just one descriptor in the ring.
    is_one_each: bool,
    /// Whether VIRTIO_F_EVENT_IDX was negotiated.
    has_event_index: bool,
    /// What the driver event suppression area says.
    wish: (u16, Events),
    barriers: Barriers,
}

impl<D: Dma> PackedRing<D> {
    /// Reads the flags of the descriptor that is used next, and nothing beside them: where they were written a moment ago, the CPU
    /// need not wait for them to be in memory.
    #[inline]
    fn read_flags(&self) -> PackedFlags {
        let at = (self.next_used.offset() as usize).wrapping_add(layout::FLAGS);
        PackedFlags::from_bits_retain(u16::from_le(self.ring.load(at)))
    }

    /// Reads whether the device is to be notified.
    #[inline]
    fn read_device_events(&self) -> Events {
        Events::new(u16::from_le(self.device_event.load(layout::EVENT_FLAGS)))
    }

    /// Reads what the device asks for, as one word: an integer, for that is read at once.
    fn read_device_word(&self) -> u32 {
        u32::from_le(self.device_event.load(0))
    }

    /// Reads what the device asks for: a position, and whether it is to be notified.
    fn read_device_event(&self) -> (u16, Events) {
        Self::parse_event(self.read_device_word())
    }

    /// Returns the position in such a word, and whether it asks to be notified.
    const fn parse_event(word: u32) -> (u16, Events) {
        let [a, b, c, d] = word.to_le_bytes();
        let (off_wrap, flags) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        (off_wrap, Events::new(flags))
    }

    /// Tells the device what the driver wishes, if that changes anything; says whether it did.
    #[inline]
    fn tell(&mut self, off_wrap: u16, events: Events) -> bool {
        if self.wish == (off_wrap, events) {
            return false;
        }
        self.wish = (off_wrap, events);
        let word = event_word(off_wrap, events);
        self.ring.store(self.block.driver_event, word.to_le());
        true
    }

    /// Says whether `off_wrap` is among the positions from `decided` up to the next one.
    ///
    /// By itself, for it takes more of the CPU's registers than a device has to be notified of that has nothing to do.
    #[cold]
    #[inline(never)]
    fn is_passed(&self, off_wrap: u16, decided: u16) -> bool {
        let added = self.next_available.distance_from(decided);
        // A position that does not exist is no reason to keep silent.
        let back = self.next_available.distance_from(off_wrap);
        back.is_none_or(|back| back != 0 && added.is_none_or(|added| back <= added))
    }

    /// Says whether the descriptor at the position of the next used one is used.
    #[inline]
    fn is_used(&self) -> bool {
        self.next_used.is_used(self.read_flags())
    }
}

impl<D: Dma> Ring<D> for PackedRing<D> {
    fn new(dma: &D, config: &RingConfig) -> Result<Self, DmaError> {
        let block = PackedBlock::new(config.size);
        let memory = RingMemory::new(dma, &block, layout::DESCRIPTOR_RING_ALIGN)?;
        let start = Position::start(config.size);
        let mut ring = Self {
            ring: memory.part(0),
            device_event: memory.part(block.device_event),
            memory,
            block,
            size: config.size,
            next_available: start,
            next_used: start,
            decided: start.off_wrap(),
            chains_per_lap: u64::from(config.size.get())
                .checked_div(config.descriptors_per_slot.into())
                .unwrap_or(1),
            is_one_each: config.descriptors_per_slot <= 1,
            has_event_index: config.features.contains(Features::EVENT_IDX),
            // What zeroes say.
            wish: (0, Events::Each),
            barriers: config.barriers,
        };
        ring.tell(0, Events::None);
        Ok(ring)
    }

    fn areas(&self) -> QueueAreas {
        QueueAreas {
            size: self.size,
            descriptor: self.memory.device_addr_at(0),
            driver: self.memory.device_addr_at(self.block.driver_event),
            device: self.memory.device_addr_at(self.block.device_event),
        }
    }

    fn into_memory(self) -> DmaRegion<D> {
        self.memory.into_region()
    }

    unsafe fn lay_out<P: Parts>(&mut self, record: &mut Record, slot: u32, chain: P) {
        if record.way.is_direct() {
            // What is in the ring is somewhere else each time.
            record.descriptors = chain.len();
            record.word = slot;
            return;
        }
        record.descriptors = 1;
        record.word = last_word(slot, DescriptorFlags::INDIRECT);
        let (place, footer_bytes) = (chain.place(), chain.footer_bytes());
        chain.for_each(|part, position, _| {
            // SAFETY: the caller vouches for it.
            unsafe { place.write_table_entry(footer_bytes, position, table_entry(part)) };
        });
    }

    unsafe fn add<P: Parts>(&mut self, record: &mut Record, progress: &mut Progress, chain: P) {
        if record.way.is_direct() {
            self.add_direct(record, chain);
        } else {
            let (place, footer_bytes) = (chain.place(), chain.footer_bytes());
            if let Some((part, position)) = chain.single() {
                // SAFETY: the caller vouches for it.
                unsafe { place.change_table_entry(footer_bytes, position, &part) };
            }
            self.add_table(record, &place.table(footer_bytes, chain.len()));
        }
        progress.note_submitted();
    }

    #[inline]
    fn as_split(&mut self) -> Option<&mut SplitRing<D>> {
        None
    }

    #[inline]
    fn as_packed(&mut self) -> Option<&mut Self> {
        Some(self)
    }

    #[inline]
    fn position(&self, _progress: Progress) -> u16 {
        self.next_available.off_wrap()
    }

    #[inline]
    fn needs_notification(&mut self, _progress: Progress) -> Option<bool> {
        // The device stores its event area and then looks at the descriptor; the driver stores that and then looks there.
        self.barriers.before_suppression_read();
        // Without the feature it is not to ask for a position either.
        (!self.has_event_index).then(|| self.read_device_events() != Events::None)
    }

    fn needs_notification_by_event(&mut self, progress: Progress) -> bool {
        let now = self.next_available.off_wrap();
        let decided = core::mem::replace(&mut self.decided, now);
        let word = self.read_device_word();
        // The device was done with all there was: it waits for the first one of these.
        if word == event_word(decided, Events::At) {
            return true;
        }
        match Self::parse_event(word) {
            (_, Events::None) => false,
            // More than a lap may be past everything.
            (off_wrap, Events::At) if progress.undecided() <= self.chains_per_lap => {
                self.is_passed(off_wrap, decided)
            }
            _ => true,
        }
    }

    fn is_fetched(&self, record: &Record) -> Option<bool> {
        let position = self.next_available.back_to(record.head);
        match self.read_device_event() {
            // It asks for the next descriptor it has not fetched, so all before that one are.
            (off_wrap, Events::At) if self.has_event_index => {
                let back = position.distance_from(off_wrap)?;
                Some(back >= u32::from(self.size.get()))
            }
            // Zeroes, and it has used nothing: it has done nothing at all yet.
            (0, Events::Each)
                if self.has_event_index && self.next_used == Position::start(self.size) =>
            {
                Some(false)
            }
            _ => None,
        }
    }

    #[inline]
    fn next_used(&mut self, _progress: Progress) -> Result<Option<Used>, DeviceFault> {
        let flags = self.read_flags();
        if !self.next_used.is_used(flags) {
            return Ok(None);
        }
        self.barriers.after_used_index_read();
        let at = self.next_used.offset() as usize;
        let len_bytes = u32::from_le(self.ring.load(at.wrapping_add(layout::LEN)));
        let id = u16::from_le(self.ring.load(at.wrapping_add(layout::ID)));
        Ok(Some(Used {
            id: id.into(),
            slot: id.into(),
            len_bytes,
            // Without the flag the length is reserved (§2.8.4), but QEMU never sets the flag and means the length all the same.
            is_len_meant: flags.contains(PackedFlags::WRITE),
        }))
    }

    #[inline]
    fn covers(&self, _progress: Progress, _chains: u16) -> bool {
        true
    }

    #[inline]
    fn pass_used(&mut self, descriptors: u16) {
        if self.is_one_each {
            // Where the next one is does not depend on what is known of this one.
            self.next_used.advance_by_one();
        } else {
            self.next_used.advance(descriptors);
        }
    }

    #[inline]
    fn suppress_used_notifications(&mut self, _progress: Progress) {
        self.tell(0, Events::None);
    }

    fn request_used_notification(&mut self, _progress: Progress, count: u16) -> bool {
        let is_told = if self.has_event_index {
            let mut event = self.next_used;
            // How many descriptors the next chains have is known only where they have one each.
            if self.is_one_each {
                event.advance(count.saturating_sub(1));
            }
            self.tell(event.off_wrap(), Events::At)
        } else {
            self.tell(0, Events::Each)
        };
        // What was used since it was asked for is notified, or seen by now.
        if !is_told {
            return false;
        }
        // The device stores a descriptor and then looks at the wish; the driver stores the wish and then looks there.
        self.barriers.before_suppression_read();
        self.is_used()
    }
}

/// Returns what an event suppression area says, as one word (§2.8.10).
#[inline]
const fn event_word(off_wrap: u16, events: Events) -> u32 {
    off_wrap as u32 | (events.number() as u32) << 16
}
