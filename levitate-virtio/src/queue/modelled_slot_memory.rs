//! The memory of the request slots as the model checker sees it, an atomic for each word: [`SlotMemory`].
//!
//! It has the interface of the memory that ships, and its volatile accesses are relaxed atomic ones here, as those of the rings.

use std::sync::Arc;

use levitate_hal::{Dma, DmaAddr, DmaError, DmaRegion};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::chain::Part;
use super::memory::Cells;

/// Where in a slot its parts begin; header and footer are a word each.
const FOOTER: u64 = 16;
const TABLE: u64 = 32;
const WORD_BYTES: usize = 8;
const ENTRY_BYTES: u64 = 16;

/// Cells in place of memory; the region only lends its address.
#[derive(Debug)]
pub struct SlotMemory<D: Dma> {
    region: DmaRegion<D>,
    pub(super) cells: Arc<Cells>,
    stride: u64,
}

impl<D: Dma> SlotMemory<D> {
    pub(super) fn new(
        dma: &D,
        slots: u16,
        header_bytes: usize,
        footer_bytes: usize,
        table_entries: u16,
    ) -> Result<Self, DmaError> {
        assert!(header_bytes <= WORD_BYTES && footer_bytes <= WORD_BYTES);
        let stride = TABLE + ENTRY_BYTES * u64::from(table_entries);
        let len_bytes = stride as usize * usize::from(slots);
        let region = DmaRegion::new(dma, len_bytes, ENTRY_BYTES as usize)?;
        let words = (0..len_bytes).step_by(WORD_BYTES);
        let cells = Cells::new(region.device_addr(), words);
        Ok(Self {
            region,
            cells,
            stride,
        })
    }

    pub(super) fn into_memory(self) -> DmaRegion<D> {
        self.region
    }

    pub(super) fn offset(&self, slot: u16) -> SlotOffset {
        SlotOffset(self.stride * u64::from(slot))
    }

    /// # Safety
    ///
    /// None: this is one of the functions that ask for something where the memory is real.
    pub(super) unsafe fn place(&self, SlotOffset(offset): SlotOffset) -> Place {
        Place(self.region.device_addr().get() + offset)
    }

    /// # Safety
    ///
    /// None, as for [`place`](Self::place).
    pub(super) unsafe fn write_ends<H, F>(&self, place: &Place, header: &H, footer: &F)
    where
        H: IntoBytes + Immutable,
        F: IntoBytes + Immutable,
    {
        self.cells.store(place.0, header);
        self.cells.store(place.0 + FOOTER, footer);
    }

    pub(super) fn read_footer<T: FromBytes + IntoBytes>(&self, place: &Place, len_bytes: u32) -> T {
        assert_eq!(size_of::<T>(), len_bytes as usize);
        self.cells.load(place.0 + FOOTER)
    }

    pub(super) fn write_table_entry(&self, place: &Place, index: u16, entry: [u64; 2]) {
        let at = place.0 + TABLE + ENTRY_BYTES * u64::from(index);
        self.cells.store(at, &entry);
    }
}

/// Where a slot is in the memory of its queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotOffset(u64);

impl SlotOffset {
    pub(super) const FIRST: Self = Self(0);
}

/// Where the device finds one slot.
#[derive(Clone, Copy, Debug)]
pub struct Place(u64);

impl Place {
    pub(super) const fn header(&self, len_bytes: u32) -> Part {
        Part {
            addr: DmaAddr::new(self.0),
            len_bytes,
            is_writable: false,
        }
    }

    pub(super) const fn footer(&self, len_bytes: u32) -> Part {
        Part {
            addr: DmaAddr::new(self.0 + FOOTER),
            len_bytes,
            is_writable: true,
        }
    }

    pub(super) const fn table_addr(&self) -> DmaAddr {
        DmaAddr::new(self.0 + TABLE)
    }
}
