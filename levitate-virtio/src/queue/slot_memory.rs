//! The shared memory of the request slots: a header, a footer and an indirect table each ([`SlotMemory`]).

use core::mem::{ManuallyDrop, size_of};
use core::ptr::NonNull;

use levitate_hal::{Dma, DmaAddr, DmaError, DmaRegion};
use zerocopy::{FromBytes, Immutable, IntoBytes, transmute};

use super::chain::Part;
use super::layout::{DESCRIPTOR_TABLE_ALIGN, Descriptor};

/// One piece of DMA memory, divided among the slots.
///
/// It is given back only by [`SlotMemory::into_memory`]; dropped otherwise, it is leaked, for the device may still use it.
///
/// INVARIANT: `memory` is 16-aligned and has `stride` bytes for each slot up to `last_slot`; `header_bytes`, `footer_bytes` and
/// `table_entries` fit one behind the other into a stride, at offsets and with a stride that are multiples of 16.
#[derive(Debug)]
pub struct SlotMemory<D: Dma> {
    memory: ManuallyDrop<DmaRegion<D>>,
    last_slot: u16,
    /// Bytes from one slot to the next.
    stride: usize,
    header_bytes: usize,
    /// Where in a slot the footer begins.
    footer: usize,
    footer_bytes: usize,
    /// Where in a slot the indirect table begins.
    table: usize,
    table_entries: u16,
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
            // Requests that are nothing but data have no memory here, and a region of no bytes there is not.
            Some((footer, table, stride, size_bytes.max(align_bytes)))
        };
        let invalid = DmaError::InvalidLayout {
            size_bytes: usize::MAX,
            align_bytes,
        };
        let (footer, table, stride, size_bytes) = layout().ok_or(invalid)?;
        let last_slot = slots.checked_sub(1).ok_or(invalid)?;
        let memory = ManuallyDrop::new(DmaRegion::new(dma, size_bytes, align_bytes)?);
        Ok(Self {
            memory,
            last_slot,
            stride,
            header_bytes,
            footer,
            footer_bytes,
            table,
            table_entries,
        })
    }

    /// Returns the memory; the caller knows that the device cannot reach it any more.
    pub(super) fn into_memory(self) -> DmaRegion<D> {
        ManuallyDrop::into_inner(self.memory)
    }

    /// Returns where in this memory a slot is; where the last one is, for a slot that there is not.
    pub(super) fn offset(&self, slot: u16) -> SlotOffset {
        SlotOffset(usize::from(slot.min(self.last_slot)).wrapping_mul(self.stride))
    }

    /// Returns where the parts of a slot are.
    ///
    /// # Safety
    ///
    /// The offset is of this memory.
    #[inline]
    pub(super) unsafe fn place(&self, SlotOffset(offset): SlotOffset) -> Place {
        Place {
            // SAFETY: by the invariant, a slot up to the last one has its stride of bytes in the region, and the offset is one's, as
            // the caller vouches for.
            cpu: unsafe { self.memory.as_ptr().add(offset) },
            // The memory does not wrap round the address space.
            device: self.memory.device_addr().get().wrapping_add(offset as u64),
            footer: self.footer,
            table: self.table,
        }
    }

    /// Writes header and footer of a slot.
    ///
    /// # Safety
    ///
    /// There is room for both.
    #[inline]
    pub(super) unsafe fn write_ends<H, F>(&self, place: &Place, header: &H, footer: &F)
    where
        H: IntoBytes + Immutable,
        F: IntoBytes + Immutable,
    {
        debug_assert!(size_of::<H>() <= self.header_bytes && size_of::<F>() <= self.footer_bytes);
        // SAFETY: the place is that of a slot, by the invariant its first `header_bytes` are the header's, 16-aligned, and it is no
        // longer, as the caller vouches for.
        unsafe { write(place.cpu, header.as_bytes()) };
        // SAFETY: by the invariant the footer is inside the slot.
        let start = unsafe { place.cpu.add(place.footer) };
        // SAFETY: `footer_bytes` from there on are the footer's, 16-aligned, and it is no longer, as the caller vouches for.
        unsafe { write(start, footer.as_bytes()) };
    }

    /// Returns the first `len_bytes` of the footer, or as many as a `T` has; the rest of the `T` is zero.
    #[inline]
    pub(super) fn read_footer<T: FromBytes + IntoBytes>(&self, place: &Place, len_bytes: u32) -> T {
        let mut value = T::new_zeroed();
        // SAFETY: by the invariant the footer is inside the slot.
        let start = unsafe { place.cpu.add(place.footer) };
        let all = value.as_mut_bytes();
        // That is what nearly everybody asks for, and the compiler knows how long it is.
        if all.len() <= self.footer_bytes && all.len() <= len_bytes as usize {
            // SAFETY: `footer_bytes` from there on are the footer's, 16-aligned, and `all` are no more.
            unsafe { read(start, all) };
            return value;
        }
        let len = (len_bytes as usize).min(self.footer_bytes);
        let some = all.get_mut(..len).unwrap_or_default();
        // SAFETY: as above; `some` are no more either.
        unsafe { read(start, some) };
        value
    }

    /// Writes the two words of an entry of a slot's indirect table; one past its end is not there.
    #[inline]
    pub(super) fn write_table_entry(&self, place: &Place, index: u16, entry: [u64; 2]) {
        if index < self.table_entries {
            let offset = usize::from(index).wrapping_mul(size_of::<Descriptor>());
            // SAFETY: the entry is inside the slot's table, by the check above and the invariant.
            let target = unsafe { place.cpu.add(self.table.wrapping_add(offset)) }.cast::<u64>();
            let [addr, rest] = entry;
            // SAFETY: as above, and 16-aligned as all entries; volatile, for the device reads it.
            unsafe { target.write_volatile(addr) };
            // SAFETY: this is the second word of the entry.
            let second = unsafe { target.add(1) };
            // SAFETY: as for the first word.
            unsafe { second.write_volatile(rest) };
        }
    }
}

/// Where a slot is in the memory of its queue, in bytes from its beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotOffset(usize);

impl SlotOffset {
    /// That of the first slot, which every memory has.
    pub(super) const FIRST: Self = Self(0);
}

/// Where the parts of one slot are.
///
/// INVARIANT: it comes from [`SlotMemory::place`].
#[derive(Clone, Copy, Debug)]
pub struct Place {
    cpu: NonNull<u8>,
    device: u64,
    footer: usize,
    table: usize,
}

impl Place {
    /// Returns the header, of which so many bytes are used.
    #[inline]
    pub(super) const fn header(&self, len_bytes: u32) -> Part {
        Part {
            addr: DmaAddr::new(self.device),
            len_bytes,
            is_writable: false,
        }
    }

    /// Returns the footer, of which so many bytes are used.
    #[inline]
    pub(super) const fn footer(&self, len_bytes: u32) -> Part {
        Part {
            addr: DmaAddr::new(self.device.wrapping_add(self.footer as u64)),
            len_bytes,
            is_writable: true,
        }
    }

    /// Returns where the device finds the indirect table.
    #[inline]
    pub(super) const fn table_addr(&self) -> DmaAddr {
        DmaAddr::new(self.device.wrapping_add(self.table as u64))
    }
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
