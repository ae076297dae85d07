//! The memory of the request slots as the model checker sees it, an atomic for each word: [`SlotMemory`].
//!
//! It has the interface of the memory that ships, and its volatile accesses are relaxed atomic ones here, as those of the rings.

use std::sync::Arc;

use levitate_hal::{Dma, DmaAddr, DmaError, DmaRegion};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::chain::Part;
use super::memory::Cells;

/// Where in a slot the footer begins, and behind it the table; header and footer are a word each.
const FOOTER: u64 = 16;
const TABLE: u64 = 16;
const WORD_BYTES: usize = 8;
const ENTRY_BYTES: u64 = 16;
/// What an entry of a table consists of: address, length, and the rest.
const FIELDS: [usize; 3] = [0, 8, 12];

/// Cells in place of memory; the region only lends its address.
#[derive(Debug)]
pub(super) struct SlotMemory<D: Dma> {
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
        let stride = FOOTER + TABLE + ENTRY_BYTES * u64::from(table_entries);
        let len_bytes = stride as usize * usize::from(slots);
        let region = DmaRegion::new(dma, len_bytes, ENTRY_BYTES as usize)?;
        let entries = (0..len_bytes).step_by(ENTRY_BYTES as usize);
        let fields = entries.flat_map(|at| FIELDS.map(|field| at + field));
        let cells = Cells::new(region.device_addr(), fields);
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
        SlotOffset((self.stride * u64::from(slot) + FOOTER) as u32)
    }

    /// # Safety
    ///
    /// None: this is one of the functions that ask for something where the memory is real.
    pub(super) unsafe fn place(&self, SlotOffset(offset): SlotOffset) -> Place<'_> {
        Place {
            cells: &self.cells,
            footer: self.region.device_addr().get() + u64::from(offset),
        }
    }
}

/// Where a slot is in the memory of its queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotOffset(u32);

impl SlotOffset {
    pub(super) const FIRST: Self = Self(0);
}

/// Where the device finds one slot's footer.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    cells: &'a Cells,
    footer: u64,
}

impl Place<'_> {
    pub(super) const fn header(&self, len_bytes: u32) -> Part {
        Part {
            addr: DmaAddr::new(self.footer - FOOTER),
            len_bytes,
            is_writable: false,
        }
    }

    pub(super) const fn footer(&self, len_bytes: u32) -> Part {
        Part {
            addr: DmaAddr::new(self.footer),
            len_bytes,
            is_writable: true,
        }
    }

    pub(super) const fn table_addr(&self, _footer_bytes: u32) -> DmaAddr {
        DmaAddr::new(self.footer + TABLE)
    }

    pub(super) fn table(&self, footer_bytes: u32, entries: u16) -> Part {
        Part {
            addr: self.table_addr(footer_bytes),
            len_bytes: u32::from(entries) * ENTRY_BYTES as u32,
            is_writable: false,
        }
    }

    /// # Safety
    ///
    /// None, as for [`SlotMemory::place`].
    pub(super) unsafe fn write_header<H: IntoBytes + Immutable>(&self, header: &H) {
        self.cells.store(self.footer - FOOTER, header);
    }

    /// # Safety
    ///
    /// None, as for [`SlotMemory::place`].
    pub(super) unsafe fn write_footer<F: IntoBytes + Immutable>(&self, footer: &F) {
        self.cells.store(self.footer, footer);
    }

    /// # Safety
    ///
    /// None, as for [`SlotMemory::place`].
    pub(super) unsafe fn read_footer<T: FromBytes + IntoBytes>(&self, len_bytes: u32) -> T {
        assert_eq!(size_of::<T>(), len_bytes as usize);
        self.cells.load(self.footer)
    }

    /// # Safety
    ///
    /// None, as for [`SlotMemory::place`].
    pub(super) unsafe fn write_table_entry(&self, _: u32, index: u16, entry: [u64; 2]) {
        self.cells.store(self.entry(index), &entry);
    }

    /// # Safety
    ///
    /// None, as for [`SlotMemory::place`].
    pub(super) unsafe fn change_table_entry(&self, _: u32, index: u16, part: &Part) {
        let [addr, len, _] = FIELDS.map(|field| self.entry(index) + field as u64);
        self.cells.store(addr, &part.addr.get().to_le());
        self.cells.store(len, &part.len_bytes.to_le());
    }

    fn entry(&self, index: u16) -> u64 {
        self.footer + TABLE + ENTRY_BYTES * u64::from(index)
    }
}
