//! The memory of the rings as the model checker sees it, an atomic for each field: [`RingMemory`], [`Cells`].
//!
//! It has the interface of the memory that ships. A volatile access there is a relaxed atomic one here: both are one access
//! of the CPU, and neither orders any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use levitate_hal::{Dma, DmaAddr, DmaError, DmaRegion};
use loom::sync::atomic::{AtomicU64, Ordering};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::queue::layout::Block;

/// Longest field the checker follows as one; a descriptor is two of them.
const CELL_BYTES: usize = 8;

/// The fields of one block by offset, for driver and device alike.
#[derive(Debug)]
pub(super) struct Cells(BTreeMap<usize, AtomicU64>);

impl Cells {
    /// Makes zeroed fields as §2.7.5, §2.7.6 and §2.7.8 place them.
    fn new(block: &Block) -> Self {
        let size = block.available_ring / 16;
        let descriptors = (0..2 * size).map(|half| CELL_BYTES * half);
        // Flags, index, the entries, used_event: all of two bytes.
        let available = (0..3 + size).map(|field| block.available_ring + 2 * field);
        let used = [0, 2].map(|field| block.used_ring + field);
        // Entries of eight bytes, then avail_event.
        let entries = (0..=size).map(|entry| block.used_ring + 4 + 8 * entry);
        let offsets = descriptors.chain(available).chain(used).chain(entries);
        Self(offsets.map(|at| (at, AtomicU64::new(0))).collect())
    }

    pub(super) fn read(&self, offset: usize) -> u64 {
        self.0[&offset].load(Ordering::Relaxed)
    }

    pub(super) fn write(&self, offset: usize, value: u64) {
        self.0[&offset].store(value, Ordering::Relaxed);
    }
}

/// Cells in place of memory; the region only lends its address.
#[derive(Debug)]
pub(super) struct RingMemory<D: Dma> {
    region: DmaRegion<D>,
    pub(super) cells: Arc<Cells>,
}

impl<D: Dma> RingMemory<D> {
    pub(super) fn new(dma: &D, block: &Block, align_bytes: usize) -> Result<Self, DmaError> {
        Ok(Self {
            region: DmaRegion::new(dma, block.len_bytes, align_bytes)?,
            cells: Arc::new(Cells::new(block)),
        })
    }

    pub(super) fn device_addr(&self) -> DmaAddr {
        self.region.device_addr()
    }

    pub(super) fn into_region(self) -> DmaRegion<D> {
        self.region
    }

    pub(super) fn load<T: FromBytes + IntoBytes>(&self, offset: usize) -> T {
        let mut value = T::new_zeroed();
        for (index, part) in value.as_mut_bytes().chunks_mut(CELL_BYTES).enumerate() {
            let bytes = self.cells.read(offset + CELL_BYTES * index).to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
        value
    }

    pub(super) fn store<T: IntoBytes + Immutable>(&self, offset: usize, value: T) {
        for (index, part) in value.as_bytes().chunks(CELL_BYTES).enumerate() {
            let mut bytes = [0; CELL_BYTES];
            bytes[..part.len()].copy_from_slice(part);
            self.cells
                .write(offset + CELL_BYTES * index, u64::from_le_bytes(bytes));
        }
    }
}
