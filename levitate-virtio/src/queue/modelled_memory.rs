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

/// The fields of a piece of memory by device address, for driver and device alike.
#[derive(Debug)]
pub(super) struct Cells(BTreeMap<u64, AtomicU64>);

impl Cells {
    /// Makes cells of zeroes at these offsets from `base`.
    pub(super) fn new(base: DmaAddr, fields: impl IntoIterator<Item = usize>) -> Arc<Self> {
        let addresses = fields.into_iter().map(|offset| base.get() + offset as u64);
        let cells = addresses.map(|addr| (addr, AtomicU64::new(0)));
        Arc::new(Self(cells.collect()))
    }

    /// Reads the field at `addr`; `None` if none begins there.
    pub(super) fn read(&self, addr: u64) -> Option<u64> {
        Some(self.0.get(&addr)?.load(Ordering::Relaxed))
    }

    /// Writes the field at `addr`; `None` if none begins there.
    pub(super) fn write(&self, addr: u64, value: u64) -> Option<()> {
        self.0.get(&addr)?.store(value, Ordering::Relaxed);
        Some(())
    }

    /// Reads a value of one field or several.
    pub(super) fn load<T: FromBytes + IntoBytes>(&self, addr: u64) -> T {
        let mut value = T::new_zeroed();
        let parts = value.as_mut_bytes().chunks_mut(CELL_BYTES);
        for (part, at) in parts.zip((addr..).step_by(CELL_BYTES)) {
            let bytes = self.read(at).unwrap().to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
        value
    }

    /// Writes a value of one field or several.
    pub(super) fn store<T: IntoBytes + Immutable>(&self, addr: u64, value: &T) {
        let parts = value.as_bytes().chunks(CELL_BYTES);
        for (part, at) in parts.zip((addr..).step_by(CELL_BYTES)) {
            let mut bytes = [0; CELL_BYTES];
            bytes[..part.len()].copy_from_slice(part);
            self.write(at, u64::from_le_bytes(bytes)).unwrap();
        }
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
        let region = DmaRegion::new(dma, plan.len_bytes(), align_bytes)?;
        let cells = Cells::new(region.device_addr(), plan.fields());
        Ok(Self { region, cells })
    }

    pub(super) fn device_addr_at(&self, offset: usize) -> DmaAddr {
        let base = self.region.device_addr();
        base.checked_add(offset as u64).unwrap()
    }

    pub(super) fn into_region(self) -> DmaRegion<D> {
        self.region
    }

    pub(super) fn load<T: FromBytes + IntoBytes>(&self, offset: usize) -> T {
        self.cells.load(self.device_addr_at(offset).get())
    }

    pub(super) fn store<T: IntoBytes + Immutable>(&self, offset: usize, value: T) {
        self.cells.store(self.device_addr_at(offset).get(), &value);
    }
}
