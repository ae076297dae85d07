//! Where the high precision event timer is: [`registers`] (IA-PC HPET Specification 1.0a, 3.2.4).

use core::ops::Range;

use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::address::GenericAddress;
use super::{Register, Table};

/// Bytes of its registers.
const REGISTER_BYTES: u64 = 0x400;

/// What the table has after its header.
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Body {
    id: U32,
    registers: GenericAddress,
    number: u8,
    minimum_tick: U16,
    page_protection: u8,
}

const_assert_eq!(size_of::<Body>(), 56 - 36);

/// Returns where its registers are, if the table says so.
pub fn registers(table: &Table<'_>) -> Option<Range<u64>> {
    let (body, _) = Body::ref_from_prefix(table.body()).ok()?;
    match body.registers.register()? {
        Register::Memory(start) => Some(start..start.checked_add(REGISTER_BYTES)?),
        Register::Port(_) => None,
    }
}
