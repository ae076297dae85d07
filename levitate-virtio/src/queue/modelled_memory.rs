//! The memory of the rings as the model checker sees it, an atomic for each field: [`RingMemory`], [`Cells`].
//!
//! It has the interface of the memory that ships. A volatile access there is a relaxed atomic one here: both are one access
//! of the CPU, and neither orders any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use levitate_hal::{Dma, DmaAddr, DmaError, DmaRegion};
use loom::sync::atomic::{AtomicU64, Ordering};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::ring::Plan;

/// Longest field the checker follows as one; a descriptor is two of them.
const CELL_BYTES: usize = 8;

/// The fields of one ring by offset, for driver and device alike.
#[derive(Debug)]
pub(super) struct Cells(BTreeMap<usize, AtomicU64>);

impl Cells {
    fn new(plan: &impl Plan) -> Self {
        let fields = plan.fields().into_iter();
        Self(fields.map(|at| (at, AtomicU64::new(0))).collect())
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
    pub(super) fn new(dma: &D, plan: &impl Plan, align_bytes: usize) -> Result<Self, DmaError> {
        Ok(Self {
            region: DmaRegion::new(dma, plan.len_bytes(), align_bytes)?,
            cells: Arc::new(Cells::new(plan)),
        })
    }

    pub(super) fn device_addr_at(&self, offset: usize) -> DmaAddr {
        let base = self.region.device_addr();
        base.checked_add(offset as u64).unwrap()
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
