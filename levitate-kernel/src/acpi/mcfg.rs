//! Where configuration space of PCI is in memory: [`regions`] (PCI Firmware Specification 3.3, 4.1.2).

use core::ops::{Range, RangeInclusive};

use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::Table;

/// Bytes of configuration space of a bus.
const BUS_BYTES: u64 = 1 << 20;
/// Reserved bytes between the header and the regions.
const RESERVED_BYTES: usize = 8;

/// Configuration space of a few buses, as the table has it.
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Allocation {
    /// Where that of bus 0 is or would be, whatever the first bus is.
    base: U64,
    segment: U16,
    first_bus: u8,
    last_bus: u8,
    reserved: U32,
}

const_assert_eq!(size_of::<Allocation>(), 16);

/// Configuration space of a few buses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where it is, 1 MiB for each bus.
    pub ecam: Range<u64>,
    /// The segment of the buses.
    pub segment: u16,
    /// The buses.
    pub buses: RangeInclusive<u8>,
}

/// Returns the regions that the table names; one that has no bus or no possible address is left out.
pub fn regions<'a>(table: &Table<'a>) -> impl Iterator<Item = Region> + use<'a> {
    let allocations = table.body().get(RESERVED_BYTES..).unwrap_or_default();
    let (allocations, _) = allocations.as_chunks::<{ size_of::<Allocation>() }>();
    allocations.iter().filter_map(|allocation| {
        let allocation = Allocation::ref_from_bytes(allocation).ok()?;
        let (first, last) = (allocation.first_bus, allocation.last_bus);
        let base = allocation.base.get();
        let start = base.checked_add(u64::from(first) * BUS_BYTES)?;
        let end = base.checked_add((u64::from(last) + 1) * BUS_BYTES)?;
        let is_possible = base != 0 && base.is_multiple_of(BUS_BYTES) && first <= last;
        is_possible.then_some(Region {
            ecam: start..end,
            segment: allocation.segment.get(),
            buses: first..=last,
        })
    })
}
