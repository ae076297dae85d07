//! Writing chains into a packed ring, and into indirect tables (§2.8.6, §2.8.7).

use levitate_hal::{Dma, DmaAddr};

use super::PackedRing;
use super::layout::{self, PackedBlock};
use crate::queue::chain::{Part, Parts, Simple};
use crate::queue::layout::DescriptorFlags;
use crate::queue::ring::words;
use crate::queue::slot::{Record, Token};
use crate::queue::slot_memory::SlotMemory;

impl<D: Dma> PackedRing<D> {
    /// Writes the descriptor at `at` but for its last word, which makes it available.
    #[inline]
    fn write_descriptor(&self, at: usize, part: &Part) {
        self.ring.store(at, part.addr.get().to_le());
        self.ring
            .store(at.wrapping_add(layout::LEN), part.len_bytes.to_le());
    }

    /// Writes the last word of the descriptor at `at`, with the flags of its lap.
    #[inline]
    fn write_last_word(&self, at: usize, word: u32, lap_flags: u32) {
        let word = word | lap_flags;
        self.ring.store(at.wrapping_add(layout::ID), word.to_le());
    }

    /// Makes a chain available that is in this table, which is laid out.
    #[inline]
    pub(in super::super) fn add_table(&mut self, record: &mut Record, table: &Part) {
        record.head = self.next_available.offset();
        let at = record.head as usize;
        let lap_flags = self.next_available.available_flags();
        self.next_available.advance_by_one();
        self.write_descriptor(at, table);
        self.publish(at, record.word, lap_flags);
    }

    /// Makes a direct chain of a header, one part and a footer available, for which all else is done; returns `token`.
    ///
    /// By itself, for it takes more of the CPU's registers than all else of a submission; with scalars, for those are what it is handed
    /// in.
    ///
    /// # Safety
    ///
    /// - `record` is a slot's of this `memory`, and in that slot an `H` and an `F` were written.
    /// - A direct chain of these and one part was laid out there by this ring.
    #[inline(never)]
    pub(in super::super) unsafe fn add_simple<H, F, const IS_WRITABLE: bool>(
        &mut self,
        record: &mut Record,
        memory: &SlotMemory<D>,
        data: (DmaAddr, u32),
        token: Token,
    ) -> Token {
        let head = self.next_available.offset();
        let lap_flags = self.next_available.available_flags();
        // A chain that goes round the end of the ring is a bit of work, and so is the next lap.
        if !self
            .next_available
            .advance_in_lap(const { Simple::<H, F>::LEN })
        {
            // SAFETY: the caller vouches for the same.
            return unsafe {
                self.add_simple_anywhere::<H, F, IS_WRITABLE>(record, memory, data, token)
            };
        }
        let position_of = |number: u16| {
            let ahead = PackedBlock::descriptor(number.into());
            ((head as usize).wrapping_add(ahead), lap_flags)
        };
        // SAFETY: the record is a slot's of this memory, as the caller vouches for.
        let place = unsafe { memory.place(record.offset) };
        let chain = Simple::<H, F>::of(place, data, IS_WRITABLE);
        self.write_direct(position_of, record.word, chain);
        record.head = head;
        token
    }

    /// As [`add_simple`](Self::add_simple), wherever in the ring the chain comes to lie.
    ///
    /// # Safety
    ///
    /// As for that.
    #[cold]
    #[inline(never)]
    unsafe fn add_simple_anywhere<H, F, const IS_WRITABLE: bool>(
        &mut self,
        record: &mut Record,
        memory: &SlotMemory<D>,
        data: (DmaAddr, u32),
        token: Token,
    ) -> Token {
        // SAFETY: the record is a slot's of this memory, as the caller vouches for.
        let place = unsafe { memory.place(record.offset) };
        self.add_direct(record, Simple::<H, F>::of(place, data, IS_WRITABLE));
        token
    }

    /// Makes a chain available that is in the ring, wherever it comes to lie.
    #[inline]
    pub(super) fn add_direct<P: Parts>(&mut self, record: &mut Record, chain: P) {
        let first = self.next_available;
        record.head = first.offset();
        let position_of = |number| {
            let position = first.ahead(number);
            (position.offset() as usize, position.available_flags())
        };
        self.next_available.advance(chain.len());
        self.write_direct(position_of, record.word, chain);
    }

    /// Makes a chain available that is in the ring; `position_of` says where each descriptor is, and what the flags of its lap are.
    #[inline]
    fn write_direct<P: Parts>(
        &self,
        position_of: impl Fn(u16) -> (usize, u32),
        slot: u32,
        chain: P,
    ) {
        let (first, lap_flags) = position_of(0);
        let flags = self.write_chain(slot, chain, position_of);
        self.publish(first, last_word(slot, flags), lap_flags);
    }

    /// Writes the last word of a chain's first descriptor; with that the device may take all of the chain (§2.8.6).
    #[inline]
    fn publish(&self, first: usize, word: u32, lap_flags: u32) {
        self.barriers.before_publish();
        self.write_last_word(first, word, lap_flags);
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
                _ => self.write_last_word(at, last_word(slot, flags), lap_flags),
            }
        });
        first_flags
    }
}

/// Returns the last word of a descriptor, but for the flags of its lap.
#[inline]
pub(super) fn last_word(id: u32, flags: DescriptorFlags) -> u32 {
    id | u32::from(flags.bits()) << 16
}

/// Returns the two words of an entry of an indirect table (§2.8.7).
pub(super) fn table_entry(part: Part) -> [u64; 2] {
    // Entries follow one another; their ids mean nothing, and of the flags only WRITE may be set.
    words(part.addr.get(), part.len_bytes, 0, part.flags().bits())
}
