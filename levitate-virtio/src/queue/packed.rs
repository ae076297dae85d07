//! The ring of a packed virtqueue, and when to notify: [`PackedRing`] (§2.8).

use levitate_hal::{Barriers, Dma, DmaError, DmaRegion};

use super::DeviceFault;
use super::chain::{Part, Parts};
use super::layout::DescriptorFlags;
use super::memory::RingMemory;
use super::ring::{Ring, RingConfig, Used, words};
use super::slot::Record;
use super::slot_memory::SlotMemory;
use crate::features::Features;
use crate::transport::QueueAreas;

pub mod layout;
mod position;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use layout::{Events, PackedBlock, PackedFlags};
use position::Position;

/// The descriptor ring of one virtqueue, and both event suppression areas.
///
/// INVARIANT: `memory` holds `block`, which was computed for the size of the positions.
#[derive(Debug)]
pub struct PackedRing<D: Dma> {
    pub(super) memory: RingMemory<D>,
    block: PackedBlock,
    /// Where the next descriptor is made available.
    next_available: Position,
    /// Where the next used descriptor is expected.
    next_used: Position,
    /// How many descriptors were made available since it was last decided whether to notify.
    undecided: u32,
    /// Whether every chain has just one descriptor in the ring.
    is_one_each: bool,
    /// Whether VIRTIO_F_EVENT_IDX was negotiated.
    has_event_index: bool,
    /// What the driver event suppression area says.
    wish: (u16, Events),
    barriers: Barriers,
}

impl<D: Dma> PackedRing<D> {
    /// Writes a descriptor but for its last word, which makes it available.
    #[inline]
    fn write_descriptor(&self, index: u16, part: &Part) {
        let at = PackedBlock::descriptor(index);
        self.memory.store(at, part.addr.get().to_le());
        self.memory
            .store(at.wrapping_add(layout::LEN), part.len_bytes.to_le());
    }

    /// Writes the id and the flags of a descriptor as one, the flags being those of `position`.
    #[inline]
    fn write_flags(&self, position: Position, id: u16, flags: u16) {
        let flags = flags | position.available_flags();
        let word = u32::from(id) | u32::from(flags) << 16;
        let at = PackedBlock::descriptor(position.index());
        self.memory.store(at.wrapping_add(layout::ID), word.to_le());
    }

    /// Reads two fields of 16 bits at once.
    #[inline]
    fn load_both(&self, offset: usize) -> (u16, u16) {
        // An integer: bytes would be read one by one.
        let word = u32::from_le(self.memory.load(offset));
        let [a, b, c, d] = word.to_le_bytes();
        (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
    }

    /// Reads the id and the flags of a descriptor as one.
    #[inline]
    fn read_flags(&self, index: u16) -> (u16, PackedFlags) {
        let at = PackedBlock::descriptor(index);
        let (id, flags) = self.load_both(at.wrapping_add(layout::ID));
        (id, PackedFlags::from_bits_retain(flags))
    }

    /// Reads what the device asks for: a position, and whether it is to be notified.
    fn read_device_event(&self) -> (u16, Events) {
        let (off_wrap, flags) = self.load_both(self.block.device_event);
        (off_wrap, Events::new(flags))
    }

    /// Tells the device what the driver wishes, if that changes anything; says whether it did.
    #[inline]
    fn tell(&mut self, off_wrap: u16, events: Events) -> bool {
        if self.wish == (off_wrap, events) {
            return false;
        }
        self.wish = (off_wrap, events);
        let word = u32::from(off_wrap) | u32::from(events.number()) << 16;
        self.memory.store(self.block.driver_event, word.to_le());
        true
    }

    /// Makes a chain available whose descriptors are in the ring.
    #[inline]
    fn add_direct<P: Parts>(&mut self, slot: u16, chain: &P) -> u16 {
        let first = self.next_available;
        let mut first_flags = 0;
        let mut position = first;
        let count = chain.for_each(|part, number, is_last| {
            let link = match is_last {
                true => DescriptorFlags::empty(),
                false => DescriptorFlags::NEXT,
            };
            let flags = (part.flags() | link).bits();
            self.write_descriptor(position.index(), &part);
            if number == 0 {
                first_flags = flags;
            } else {
                self.write_flags(position, slot, flags);
            }
            position.advance(1);
        });
        // The device takes the whole chain once it sees the first descriptor (§2.8.6).
        self.barriers.before_publish();
        self.write_flags(first, slot, first_flags);
        self.next_available = position;
        self.undecided = self.undecided.saturating_add(u32::from(count));
        count
    }

    /// Says whether the descriptor at the position of the next used one is used.
    #[inline]
    fn is_used(&self) -> bool {
        let (_, flags) = self.read_flags(self.next_used.index());
        self.next_used.is_used(flags)
    }
}

impl<D: Dma> Ring<D> for PackedRing<D> {
    fn new(dma: &D, config: &RingConfig) -> Result<Self, DmaError> {
        let block = PackedBlock::new(config.size);
        let memory = RingMemory::new(dma, &block, layout::DESCRIPTOR_RING_ALIGN)?;
        let start = Position::start(config.size);
        let mut ring = Self {
            memory,
            block,
            next_available: start,
            next_used: start,
            undecided: 0,
            is_one_each: config.descriptors_per_slot <= 1,
            has_event_index: config.features.contains(Features::EVENT_IDX),
            // What zeroes say.
            wish: (0, Events::Each),
            barriers: config.barriers,
        };
        ring.suppress_used_notifications();
        Ok(ring)
    }

    fn areas(&self) -> QueueAreas {
        QueueAreas {
            size: self.next_used.size(),
            descriptor: self.memory.device_addr_at(0),
            driver: self.memory.device_addr_at(self.block.driver_event),
            device: self.memory.device_addr_at(self.block.device_event),
        }
    }

    fn into_memory(self) -> DmaRegion<D> {
        self.memory.into_region()
    }

    fn lay_out<P: Parts>(
        &mut self,
        _slot: u16,
        chain: &P,
        is_direct: bool,
        memory: &SlotMemory<D>,
    ) {
        // What is in the ring is somewhere else each time.
        if !is_direct {
            chain.for_each(|part, position, _| {
                memory.write_table_entry(chain.place(), position, table_entry(part));
            });
        }
    }

    #[inline]
    fn add<P: Parts>(&mut self, record: &mut Record, slot: u16, chain: &P, memory: &SlotMemory<D>) {
        record.position = self.position();
        if record.is_direct {
            record.descriptors = self.add_direct(slot, chain);
            return;
        }
        record.descriptors = 1;
        if let Some((part, position)) = chain.single() {
            memory.write_table_entry(chain.place(), position, table_entry(part));
        }
        let table = Part {
            addr: chain.place().table_addr(),
            len_bytes: u32::from(chain.len()).wrapping_mul(super::layout::DESCRIPTOR_BYTES),
            is_writable: false,
        };
        let position = self.next_available;
        self.write_descriptor(position.index(), &table);
        self.barriers.before_publish();
        self.write_flags(position, slot, DescriptorFlags::INDIRECT.bits());
        self.next_available.advance(1);
        self.undecided = self.undecided.saturating_add(1);
    }

    #[inline]
    fn position(&self) -> u16 {
        self.next_available.off_wrap()
    }

    #[inline]
    fn needs_notification(&mut self) -> bool {
        let added = core::mem::take(&mut self.undecided);
        if added == 0 {
            return false;
        }
        // The device stores its event area and then looks at the descriptor; the driver stores that and then looks there.
        self.barriers.before_suppression_read();
        match self.read_device_event() {
            (_, Events::None) => false,
            (off_wrap, Events::At) if self.has_event_index => {
                // A position that does not exist is no reason to keep silent.
                let back = self.next_available.distance_from(off_wrap);
                back.is_none_or(|back| back != 0 && back <= added)
            }
            _ => true,
        }
    }

    fn is_fetched(&self, record: &Record) -> Option<bool> {
        let position = Position::at(self.next_used.size(), record.position);
        match self.read_device_event() {
            // It asks for the next descriptor it has not fetched, so all before that one are.
            (off_wrap, Events::At) if self.has_event_index => {
                let back = position.distance_from(off_wrap)?;
                Some(back >= u32::from(position.size().get()))
            }
            // Zeroes, and it has used nothing: it has done nothing at all yet.
            (0, Events::Each)
                if self.has_event_index
                    && self.next_used == Position::start(self.next_used.size()) =>
            {
                Some(false)
            }
            _ => None,
        }
    }

    #[inline]
    fn next_used(&mut self, _in_flight: u16) -> Result<Option<Used>, DeviceFault> {
        if !self.is_used() {
            return Ok(None);
        }
        self.barriers.after_used_index_read();
        let index = self.next_used.index();
        let at = PackedBlock::descriptor(index).wrapping_add(layout::LEN);
        let len_bytes = u32::from_le(self.memory.load(at));
        let (id, flags) = self.read_flags(index);
        Ok(Some(Used {
            id: id.into(),
            slot: id.into(),
            len_bytes,
            // Without the flag the length is reserved (§2.8.4), but QEMU never sets the flag and means the length all the same.
            is_len_meant: flags.contains(PackedFlags::WRITE),
        }))
    }

    #[inline]
    fn covers(&self, _chains: u16) -> bool {
        true
    }

    #[inline]
    fn pass_used(&mut self, _chains: u16, descriptors: u16) {
        self.next_used.advance(descriptors);
    }

    #[inline]
    fn suppress_used_notifications(&mut self) {
        self.tell(0, Events::None);
    }

    fn request_used_notification(&mut self, count: u16) -> bool {
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

/// Returns the two words of an entry of an indirect table (§2.8.7).
#[inline]
fn table_entry(part: Part) -> [u64; 2] {
    // Entries follow one another; their ids mean nothing, and of the flags only WRITE may be set.
    words(part.addr.get(), part.len_bytes, 0, part.flags().bits())
}
