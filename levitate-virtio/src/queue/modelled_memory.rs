//! The memory of the rings as the model checker sees it, an atomic for each field: [`RingMemory`],
//! [`RingPart`], [`Cells`].
//!
//! It has the interface of the memory that ships. A volatile access there is a relaxed atomic one here: both are one access
//! of the CPU, and neither orders any other.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use levitate_hal::{Dma, DmaAddr, DmaError, DmaRegion};
use loom::sync::atomic::{AtomicU64, Ordering};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::ring::Plan;

/// Longest field the checker follows as one.
const CELL_BYTES: u64 = 8;

/// The fields of a piece of memory by device address, for driver and device alike.
#[derive(Debug)]
pub(super) struct Cells(BTreeMap<u64, AtomicU64>);

impl Cells {
    /// Makes cells of zeroes at these offsets from `base`; each ends where the next one begins.
    pub(super) fn new(base: DmaAddr, fields: impl IntoIterator<Item = usize>) -> Arc<Self> {
        let addresses = fields.into_iter().map(|offset| base.get() + offset as u64);
        let cells = addresses.map(|addr| (addr, AtomicU64::new(0)));
        Arc::new(Self(cells.collect()))
    }

    /// Reads the field at `addr`, or what is left of one from there on; `None` if there is none.
    pub(super) fn read(&self, addr: u64) -> Option<u64> {
        let (start, cell) = self.0.range(..=addr).next_back()?;
        let offset = addr - start;
        (offset < CELL_BYTES).then(|| cell.load(Ordering::Relaxed) >> (8 * offset))
    }

    /// Writes the field at `addr`; `None` if none begins there.
    pub(super) fn write(&self, addr: u64, value: u64) -> Option<()> {
        self.0.get(&addr)?.store(value, Ordering::Relaxed);
        Some(())
    }

    /// Cuts a value of so many bytes at `addr` at the borders of fields: where each piece is, in memory and in the value.
    fn pieces(&self, addr: u64, len_bytes: usize) -> impl Iterator<Item = (u64, Range<usize>)> {
        let end = addr + len_bytes as u64;
        let mut at = addr;
        std::iter::from_fn(move || {
            let next = self.0.range(at + 1..).next().map_or(end, |(next, _)| *next);
            let piece = at..next.min(at + CELL_BYTES).min(end);
            at = piece.end;
            let in_value = (piece.start - addr) as usize..(piece.end - addr) as usize;
            (!piece.is_empty()).then_some((piece.start, in_value))
        })
    }

    /// Reads a value of one field or several.
    pub(super) fn load<T: FromBytes + IntoBytes>(&self, addr: u64) -> T {
        let mut value = T::new_zeroed();
        for (at, piece) in self.pieces(addr, size_of::<T>()) {
            let bytes = self.read(at).unwrap().to_le_bytes();
            let part = &mut value.as_mut_bytes()[piece];
            part.copy_from_slice(&bytes[..part.len()]);
        }
        value
    }

    /// Writes a value of one field or several, each from its beginning.
    pub(super) fn store<T: IntoBytes + Immutable>(&self, addr: u64, value: &T) {
        for (at, piece) in self.pieces(addr, size_of::<T>()) {
            let part = &value.as_bytes()[piece];
            let mut bytes = [0; CELL_BYTES as usize];
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

    pub(super) fn part(&self, offset: usize) -> RingPart {
        RingPart {
            cells: Arc::clone(&self.cells),
            start: self.device_addr_at(offset).get(),
        }
    }
}

/// A part of them.
#[derive(Debug)]
pub(super) struct RingPart {
    cells: Arc<Cells>,
    start: u64,
}

impl RingPart {
    pub(super) fn load<T: FromBytes + IntoBytes>(&self, offset: usize) -> T {
        self.cells.load(self.start + offset as u64)
    }

    pub(super) fn store<T: IntoBytes + Immutable>(&self, offset: usize, value: T) {
        self.cells.store(self.start + offset as u64, &value);
    }
}
