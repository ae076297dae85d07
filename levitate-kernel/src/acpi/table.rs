//! One table, whose length and checksum are right: [`Table`] (5.2.6).

use core::fmt::{self, Write as _};
use core::mem::offset_of;
use core::ops::Range;

use static_assertions::const_assert_eq;
use thiserror::Error;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The longest table that is read; the longest of real machines have a few hundred KiB.
const MAX_BYTES: usize = 1 << 20;

/// Memory by its physical addresses, as far as firmware may have left something there.
pub trait PhysicalMemory {
    /// Returns what is in `range`; `None` if any of it is not such memory.
    fn bytes(&self, range: Range<u64>) -> Option<&[u8]>;
}

/// The four letters a table begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature(pub [u8; 4]);

impl Signature {
    /// Interrupt controllers and CPUs: the MADT (5.2.12).
    pub const MADT: Self = Self(*b"APIC");
    /// Code that describes the machine (5.2.11.1).
    pub const DSDT: Self = Self(*b"DSDT");
    /// Registers of fixed function, and where the DSDT is (5.2.9).
    pub const FADT: Self = Self(*b"FACP");
    /// The high precision event timer.
    pub const HPET: Self = Self(*b"HPET");
    /// Configuration space of PCI in memory.
    pub const MCFG: Self = Self(*b"MCFG");
    /// Pointers of 32 bits to all other tables (5.2.7).
    pub const RSDT: Self = Self(*b"RSDT");
    /// Pointers of 64 bits to all other tables (5.2.8).
    pub const XSDT: Self = Self(*b"XSDT");
    /// Stands for the structure that points to one of the last two, which has a signature of its own (5.2.5.3).
    pub const RSDP: Self = Self(*b"RSDP");
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = self.0.iter().flat_map(|byte| byte.escape_ascii());
        letters.try_for_each(|letter| f.write_char(letter.into()))
    }
}

/// Why a table is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AcpiError {
    /// Nothing points to such a table.
    #[error("there is no ACPI table {0}")]
    Missing(Signature),
    /// It is said to be where there is no memory that firmware leaves tables in.
    #[error("the ACPI table {signature} is said to be at {address:#x}, where no table can be")]
    Unreadable {
        /// The table.
        signature: Signature,
        /// Where it is said to be.
        address: u64,
    },
    /// There is something else.
    #[error("at {address:#x} is no ACPI table {signature}")]
    Other {
        /// The table.
        signature: Signature,
        /// Where it is said to be.
        address: u64,
    },
    /// It cannot be as long as it says.
    #[error("the ACPI table {signature} says that it is {len_bytes} bytes long")]
    Length {
        /// The table.
        signature: Signature,
        /// What it says.
        len_bytes: u32,
    },
    /// The sum of its bytes is not zero.
    #[error("the ACPI table {signature} has a wrong checksum")]
    Checksum {
        /// The table.
        signature: Signature,
    },
}

/// What every table begins with (table 5.4).
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    signature: [u8; 4],
    length: U32,
    revision: u8,
    checksum: u8,
    oem_id: [u8; 6],
    oem_table_id: [u8; 8],
    oem_revision: U32,
    creator_id: U32,
    creator_revision: U32,
}

const_assert_eq!(size_of::<Header>(), HEADER_BYTES);
const_assert_eq!(offset_of!(Header, length), 4);
const_assert_eq!(offset_of!(Header, checksum), 9);

/// Bytes of what every table begins with.
const HEADER_BYTES: usize = 36;

/// A table.
///
/// INVARIANT: it is at least as long as its header.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    bytes: &'a [u8],
}

impl<'a> Table<'a> {
    /// Reads the table at `address`.
    ///
    /// # Errors
    ///
    /// [`AcpiError`], except that it is missing.
    pub(super) fn read(
        memory: &'a (impl PhysicalMemory + ?Sized),
        address: u64,
        signature: Signature,
    ) -> Result<Self, AcpiError> {
        let unreadable = AcpiError::Unreadable { signature, address };
        let header = header(memory, address).ok_or(unreadable)?;
        if header.signature != signature.0 {
            return Err(AcpiError::Other { signature, address });
        }
        let len_bytes = header.length.get();
        let length = usize::try_from(len_bytes).unwrap_or(usize::MAX);
        if !(HEADER_BYTES..=MAX_BYTES).contains(&length) {
            return Err(AcpiError::Length {
                signature,
                len_bytes,
            });
        }
        let bytes = read(memory, address, length).ok_or(unreadable)?;
        if sum(bytes) != 0 {
            return Err(AcpiError::Checksum { signature });
        }
        Ok(Self { bytes })
    }

    /// Returns the whole table.
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns what is after the header.
    pub(super) fn body(&self) -> &'a [u8] {
        self.bytes.get(HEADER_BYTES..).unwrap_or_default()
    }
}

/// Returns the signature of the table at `address`, which may be none.
pub(super) fn signature_at(
    memory: &(impl PhysicalMemory + ?Sized),
    address: u64,
) -> Option<Signature> {
    header(memory, address).map(|header| Signature(header.signature))
}

fn header(memory: &(impl PhysicalMemory + ?Sized), address: u64) -> Option<&Header> {
    Header::ref_from_bytes(read(memory, address, HEADER_BYTES)?).ok()
}

/// Returns so many bytes from `address` on.
pub(super) fn read(
    memory: &(impl PhysicalMemory + ?Sized),
    address: u64,
    length: usize,
) -> Option<&[u8]> {
    let end = address.checked_add(u64::try_from(length).ok()?)?;
    let bytes = memory.bytes(address..end)?;
    (bytes.len() == length).then_some(bytes)
}

/// Adds up bytes as a checksum does.
pub(super) fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}
