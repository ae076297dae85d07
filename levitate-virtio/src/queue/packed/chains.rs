//! Writing chains into a packed ring, and into indirect tables (§2.8.6, §2.8.7).

use levitate_hal::Dma;

use super::{PackedRing, layout};
use crate::queue::chain::{Part, Parts};
use crate::queue::layout::{DESCRIPTOR_BYTES, DescriptorFlags};
use crate::queue::ring::words;
use crate::queue::slot::Record;

impl<D: Dma> PackedRing<D> {
    /// Writes the descriptor at `at` but for its last word, which makes it available.
    #[inline]
    fn write_descriptor(&self, at: usize, part: &Part) {
        self.ring.store(at, part.addr.get().to_le());
        self.ring
            .store(at.wrapping_add(layout::LEN), part.len_bytes.to_le());
    }

    /// Writes the last word of the descriptor at `at`: its id, and its flags with those of its lap.
    #[inline]
    fn write_last_word(&self, at: usize, id: u16, flags: DescriptorFlags, lap_flags: u32) {
        let word = u32::from(id) | u32::from(flags.bits()) << 16 | lap_flags;
        self.ring.store(at.wrapping_add(layout::ID), word.to_le());
    }

    /// Makes a chain available; `position_of` says where in the ring a descriptor is, and what the flags of its lap are.
    ///
    /// # Safety
    ///
    /// As for [`Ring::add`](crate::queue::ring::Ring::add).
    #[inline]
    pub(super) unsafe fn add_at<P: Parts>(
        &mut self,
        position_of: impl Fn(u16) -> (usize, u32),
        record: &mut Record,
        slot: u16,
        chain: P,
    ) {
        let (first, lap_flags) = position_of(0);
        record.head = self.next_available.index();
        if record.is_direct {
            self.next_available.advance(chain.len());
            let flags = self.write_chain(slot, chain, position_of);
            self.publish(first, slot, flags, lap_flags);
            return;
        }
        self.next_available.advance(1);
        let (place, footer_bytes) = (chain.place(), chain.footer_bytes());
        if let Some((part, position)) = chain.single() {
            // SAFETY: the caller vouches for it.
            unsafe { place.change_table_entry(footer_bytes, position, &part) };
        }
        let table = Part {
            addr: place.table_addr(footer_bytes),
            len_bytes: u32::from(chain.len()).wrapping_mul(DESCRIPTOR_BYTES),
            is_writable: false,
        };
        self.write_descriptor(first, &table);
        self.publish(first, slot, DescriptorFlags::INDIRECT, lap_flags);
    }

    /// Writes the last word of a chain's first descriptor; with that the device may take all of the chain (§2.8.6).
    #[inline]
    fn publish(&self, first: usize, slot: u16, flags: DescriptorFlags, lap_flags: u32) {
        self.barriers.before_publish();
        self.write_last_word(first, slot, flags, lap_flags);
    }

    /// Writes a chain but for what makes its first descriptor available; returns the flags of that one.
    #[inline]
    fn write_chain<P: Parts>(
        &self,
        slot: u16,
        chain: P,
        position_of: impl Fn(u16) -> (usize, u32),
    ) -> DescriptorFlags {
        let mut first_flags = DescriptorFlags::empty();
        chain.for_each(|part, number, is_last| {
            let link = match is_last {
                true => DescriptorFlags::empty(),
                false => DescriptorFlags::NEXT,
            };
            let flags = part.flags() | link;
            let (at, lap_flags) = position_of(number);
            self.write_descriptor(at, &part);
            match number {
                0 => first_flags = flags,
                _ => self.write_last_word(at, slot, flags, lap_flags),
            }
        });
        first_flags
    }
}

/// Returns the two words of an entry of an indirect table (§2.8.7).
pub(super) fn table_entry(part: Part) -> [u64; 2] {
    // Entries follow one another; their ids mean nothing, and of the flags only WRITE may be set.
    words(part.addr.get(), part.len_bytes, 0, part.flags().bits())
}
