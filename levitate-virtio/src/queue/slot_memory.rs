//! The shared memory of the request slots: a header, a footer and an indirect table each ([`SlotMemory`]).

use core::mem::{ManuallyDrop, size_of};
use core::ptr::NonNull;

use levitate_hal::{Dma, DmaAddr, DmaError, DmaRegion};
use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, transmute};

use super::chain::Part;
use super::layout::{DESCRIPTOR_BYTES, DESCRIPTOR_TABLE_ALIGN, Descriptor};

/// One piece of DMA memory, divided among the slots.
///
/// In a slot, the header ends where the footer begins, and the table begins where the footer ends, each rounded up to 16 bytes; so
/// a chain's parts are where the lengths of its own header and footer say, counted from the footer.
///
/// It is given back only by [`SlotMemory::into_memory`]; dropped otherwise, it is leaked, for the device may still use it.
///
/// INVARIANT: `memory` is 16-aligned and has `stride` bytes for each slot up to `last_slot`, a multiple of 16; of these, `footer` are
/// for the header, rounded up, and what follows is long enough for the longest footer, rounded up, and the longest table.
#[derive(Debug)]
pub(super) struct SlotMemory<D: Dma> {
    memory: ManuallyDrop<DmaRegion<D>>,
    last_slot: u16,
    /// Bytes from one slot to the next.
    stride: u32,
    /// Where in a slot the footer begins.
    footer: u32,
    /// Where the device finds all of it; it does not wrap round the address space.
    device: u64,
}

/// What is copied at a time.
const WORD_BYTES: usize = size_of::<u64>();

impl<D: Dma> SlotMemory<D> {
    /// Allocates zeroed memory for `slots` slots, at least one; `table_entries` is 0 where there are no indirect tables.
    pub(super) fn new(
        dma: &D,
        slots: u16,
        header_bytes: usize,
        footer_bytes: usize,
        table_entries: u16,
    ) -> Result<Self, DmaError> {
        let align_bytes = DESCRIPTOR_TABLE_ALIGN;
        let layout = || {
            let footer = header_bytes.checked_next_multiple_of(align_bytes)?;
            let table = footer.checked_add(footer_bytes.checked_next_multiple_of(align_bytes)?)?;
            let table_bytes = usize::from(table_entries).checked_mul(size_of::<Descriptor>())?;
            let stride = table.checked_add(table_bytes)?;
            let size_bytes = stride.checked_mul(usize::from(slots))?;
            // Where a slot is, is kept in 32 bits.
            u32::try_from(size_bytes).ok()?;
            Some((
                u32::try_from(footer).ok()?,
                u32::try_from(stride).ok()?,
                size_bytes,
            ))
        };
        let invalid = DmaError::InvalidLayout {
            size_bytes: usize::MAX,
            align_bytes,
        };
        let (footer, stride, size_bytes) = layout().ok_or(invalid)?;
        let last_slot = slots.checked_sub(1).ok_or(invalid)?;
        // Requests that are nothing but data have no memory here, and a region of no bytes there is not.
        let memory = DmaRegion::new(dma, size_bytes.max(align_bytes), align_bytes)?;
        Ok(Self {
            device: memory.device_addr().get(),
            memory: ManuallyDrop::new(memory),
            last_slot,
            stride,
            footer,
        })
    }

    /// Returns the memory; the caller knows that the device cannot reach it any more.
    pub(super) fn into_memory(self) -> DmaRegion<D> {
        ManuallyDrop::into_inner(self.memory)
    }

    /// Returns where in this memory a slot is; where the last one is, for a slot that there is not.
    pub(super) fn offset(&self, slot: u16) -> SlotOffset {
        // All of the memory is no longer than a `u32`.
        let start = u32::from(slot.min(self.last_slot)).wrapping_mul(self.stride);
        SlotOffset(start.wrapping_add(self.footer))
    }

    /// Returns where the parts of a slot are.
    ///
    /// # Safety
    ///
    /// The offset is of this memory.
    #[inline]
    pub(super) unsafe fn place(&self, SlotOffset(footer): SlotOffset) -> Place<'_> {
        Place {
            // SAFETY: by the invariant, the footers of slots up to the last one are inside the region, or at its end, and the offset
            // is one's, as the caller vouches for.
            cpu: unsafe { self.memory.as_ptr().add(footer as usize) },
            start: &self.device,
            footer,
        }
    }
}

/// Where a slot is in the memory of its queue: its footer, in bytes from the beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotOffset(u32);

impl SlotOffset {
    /// That of no slot in particular, until there is a memory.
    pub(super) const FIRST: Self = Self(0);
}

/// Where the footer of one slot is, and beside it the other parts.
///
/// INVARIANT: it comes from [`SlotMemory::place`], whose memory it borrows: what is before it is the slot's for a header as long as the
/// memory was made for, and what is behind it for such a footer and such a table.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    cpu: NonNull<u8>,
    /// Where the device finds all of the memory: read only where it is asked for, for many have no use for it.
    start: &'a u64,
    /// How far from there.
    footer: u32,
}

impl Place<'_> {
    /// Returns where the device finds the footer.
    #[inline]
    const fn device(&self) -> u64 {
        self.start.wrapping_add(self.footer as u64)
    }

    /// Returns the header, so long.
    #[inline]
    pub(super) const fn header(&self, len_bytes: u32) -> Part {
        Part {
            addr: DmaAddr::new(self.device().wrapping_sub(room_for(len_bytes) as u64)),
            len_bytes,
            is_writable: false,
        }
    }

    /// Returns the footer, so long.
    #[inline]
    pub(super) const fn footer(&self, len_bytes: u32) -> Part {
        Part {
            addr: DmaAddr::new(self.device()),
            len_bytes,
            is_writable: true,
        }
    }

    /// Returns where the device finds the indirect table, behind a footer so long.
    #[inline]
    pub(super) const fn table_addr(&self, footer_bytes: u32) -> DmaAddr {
        DmaAddr::new(self.device().wrapping_add(room_for(footer_bytes) as u64))
    }

    /// Returns the indirect table with so many entries, behind a footer so long.
    #[inline]
    pub(super) const fn table(&self, footer_bytes: u32, entries: u16) -> Part {
        Part {
            addr: self.table_addr(footer_bytes),
            len_bytes: (entries as u32).wrapping_mul(DESCRIPTOR_BYTES),
            is_writable: false,
        }
    }

    /// Writes the header of the slot.
    ///
    /// # Safety
    ///
    /// The slot has room for it.
    #[inline]
    pub(super) unsafe fn write_header<H: IntoBytes + Immutable>(&self, header: &H) {
        let before = const { size_of::<H>().next_multiple_of(DESCRIPTOR_TABLE_ALIGN) };
        // SAFETY: there is room for a header before the footer (invariant), as long as this one, as the caller vouches for.
        let start = unsafe { self.cpu.sub(before) };
        // SAFETY: the header is no longer than that, and 16-aligned as the footer and the room for it.
        unsafe { write(start, header.as_bytes()) };
    }

    /// Writes the footer of the slot.
    ///
    /// # Safety
    ///
    /// The slot has room for it.
    #[inline]
    pub(super) unsafe fn write_footer<F: IntoBytes + Immutable>(&self, footer: &F) {
        // SAFETY: there is room for a footer (invariant), as long as this one, as the caller vouches for; it is 16-aligned.
        unsafe { write(self.cpu, footer.as_bytes()) };
    }

    /// Returns the first `len_bytes` of the footer, or as many as a `T` has; the rest of the `T` is zero.
    ///
    /// # Safety
    ///
    /// The slot has room for a footer of `len_bytes`.
    #[inline]
    pub(super) unsafe fn read_footer<T: FromBytes + IntoBytes>(&self, len_bytes: u32) -> T {
        let mut value = T::new_zeroed();
        let all = value.as_mut_bytes();
        // That is what nearly everybody asks for, and the compiler knows how long it is.
        if all.len() <= len_bytes as usize {
            // SAFETY: `len_bytes` from there on are the footer's, as the caller vouches for, 16-aligned, and `all` are no more.
            unsafe { read(self.cpu, all) };
            return value;
        }
        let some = all.get_mut(..len_bytes as usize).unwrap_or_default();
        // SAFETY: as above; `some` are no more either.
        unsafe { read(self.cpu, some) };
        value
    }

    /// Writes an entry of the slot's indirect table: its two words.
    ///
    /// # Safety
    ///
    /// The slot has room for such a footer and a table with such an entry.
    #[inline]
    pub(super) unsafe fn write_table_entry(&self, footer_bytes: u32, index: u16, entry: [u64; 2]) {
        let [addr, rest] = entry;
        // SAFETY: the caller vouches for it.
        let target = unsafe { self.table_entry(footer_bytes, index) };
        // SAFETY: an entry is two words and 16-aligned; volatile, for the device reads it.
        unsafe { target.write_volatile(addr) };
        // SAFETY: this is the second word of the entry.
        let second = unsafe { target.add(1) };
        // SAFETY: as for the first word.
        unsafe { second.write_volatile(rest) };
    }

    /// Changes address and length in an entry of the slot's indirect table.
    ///
    /// # Safety
    ///
    /// As for [`write_table_entry`](Self::write_table_entry).
    #[inline]
    pub(super) unsafe fn change_table_entry(&self, footer_bytes: u32, index: u16, part: &Part) {
        // SAFETY: the caller vouches for it.
        let target = unsafe { self.table_entry(footer_bytes, index) };
        // SAFETY: an entry is two words and 16-aligned; volatile, for the device reads it.
        unsafe { target.write_volatile(part.addr.get().to_le()) };
        // SAFETY: this is the second word of the entry.
        let second = unsafe { target.add(1) }.cast::<u32>();
        // SAFETY: as above; the length is the first half of that word.
        unsafe { second.write_volatile(part.len_bytes.to_le()) };
    }

    /// Returns where the CPU finds an entry of the slot's indirect table.
    ///
    /// # Safety
    ///
    /// As for [`write_table_entry`](Self::write_table_entry).
    #[inline]
    unsafe fn table_entry(&self, footer_bytes: u32, index: u16) -> NonNull<u64> {
        let offset = usize::from(index).wrapping_mul(size_of::<Descriptor>());
        let offset = offset.wrapping_add(room_for(footer_bytes) as usize);
        // SAFETY: there is room for a footer and a table behind it (invariant) as the caller says.
        unsafe { self.cpu.add(offset) }.cast()
    }
}

/// Returns how many bytes a header or a footer takes up that is so long.
#[inline]
const fn room_for(len_bytes: u32) -> u32 {
    const MASK: u32 = DESCRIPTOR_BYTES - 1;
    const_assert_eq!(DESCRIPTOR_BYTES as usize, DESCRIPTOR_TABLE_ALIGN);
    len_bytes.wrapping_add(MASK) & !MASK
}

/// Copies `bytes` to `start`, volatile, for a device may look at any time.
///
/// # Safety
///
/// As many bytes from the 8-aligned `start` on are valid for writes.
#[inline]
unsafe fn write(start: NonNull<u8>, bytes: &[u8]) {
    let (words, rest) = bytes.as_chunks::<WORD_BYTES>();
    for (index, word) in words.iter().enumerate() {
        // SAFETY: the word is one of the bytes that the caller vouches for.
        let target = unsafe { start.cast::<u64>().add(index) };
        // SAFETY: as above, and 8-aligned, as all words from `start` on.
        unsafe { target.write_volatile(transmute!(*word)) };
    }
    let done = bytes.len().wrapping_sub(rest.len());
    for (index, byte) in rest.iter().enumerate() {
        // SAFETY: the byte is one of those that the caller vouches for.
        let target = unsafe { start.add(done.wrapping_add(index)) };
        // SAFETY: as above.
        unsafe { target.write_volatile(*byte) };
    }
}

/// Fills `bytes` from `start` on, volatile, for a device may write at any time.
///
/// # Safety
///
/// As many bytes from the 8-aligned `start` on are valid for reads.
#[inline]
unsafe fn read(start: NonNull<u8>, bytes: &mut [u8]) {
    let len_bytes = bytes.len();
    let (words, rest) = bytes.as_chunks_mut::<WORD_BYTES>();
    for (index, word) in words.iter_mut().enumerate() {
        // SAFETY: the word is one of the bytes that the caller vouches for.
        let source = unsafe { start.cast::<u64>().add(index) };
        // SAFETY: as above, and 8-aligned, as all words from `start` on.
        let read = unsafe { source.read_volatile() };
        *word = transmute!(read);
    }
    let done = len_bytes.wrapping_sub(rest.len());
    for (index, byte) in rest.iter_mut().enumerate() {
        // SAFETY: the byte is one of those that the caller vouches for.
        let source = unsafe { start.add(done.wrapping_add(index)) };
        // SAFETY: as above.
        *byte = unsafe { source.read_volatile() };
    }
}
