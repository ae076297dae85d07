//! Writing chains into a packed ring, and into indirect tables (§2.8.6, §2.8.7).

use levitate_hal::Dma;

use super::{PackedRing, layout};
use crate::queue::chain::{Part, Parts};
use crate::queue::layout::{DESCRIPTOR_BYTES, DescriptorFlags};
use crate::queue::ring::words;

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
    fn write_last_word(&self, at: usize, id: u32, flags: DescriptorFlags, lap_flags: u32) {
        let word = id | u32::from(flags.bits()) << 16 | lap_flags;
        self.ring.store(at.wrapping_add(layout::ID), word.to_le());
    }

    /// Makes a chain available that is in a table of its own; the descriptor of the table is at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Ring::add`](crate::queue::ring::Ring::add).
    #[inline]
    pub(super) unsafe fn write_indirect<P: Parts>(
        &self,
        (at, lap_flags): (usize, u32),
        slot: u32,
        chain: P,
    ) {
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
        self.write_descriptor(at, &table);
        self.publish(at, slot, DescriptorFlags::INDIRECT, lap_flags);
    }

    /// Makes a chain available that is in the ring; `position_of` says where each descriptor is, and what the flags of its lap are.
    #[inline]
    pub(super) fn write_direct<P: Parts>(
        &self,
        position_of: impl Fn(u16) -> (usize, u32),
        slot: u32,
        chain: P,
    ) {
        let (first, lap_flags) = position_of(0);
        let flags = self.write_chain(slot, chain, position_of);
        self.publish(first, slot, flags, lap_flags);
    }

    /// Writes the last word of a chain's first descriptor; with that the device may take all of the chain (§2.8.6).
    #[inline]
    fn publish(&self, first: usize, slot: u32, flags: DescriptorFlags, lap_flags: u32) {
        self.barriers.before_publish();
        self.write_last_word(first, slot, flags, lap_flags);
    }

    /// Writes a chain but for what makes its first descriptor available; returns the flags of that one.
    #[inline]
    fn write_chain<P: Parts>(
        &self,
        slot: u32,
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
