//! The way from the address that a loader names to each table: [`Tables`] (5.2.5 to 5.2.8).

use core::mem::offset_of;

use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::table::{read, signature_at, sum};
use super::{AcpiError, PhysicalMemory, Signature, Table};

/// Tables that are looked at; QEMU has ten at most.
const MAX_TABLES: usize = 128;

/// What the structure begins with, which has its own form of signature.
const ROOT_SIGNATURE: [u8; 8] = *b"RSD PTR ";

/// The structure that points to the table of tables (5.2.5.3), as far as every revision has it.
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RootPointer {
    signature: [u8; 8],
    checksum: u8,
    oem_id: [u8; 6],
    revision: u8,
    rsdt: U32,
}

const_assert_eq!(size_of::<RootPointer>(), 20);
const_assert_eq!(offset_of!(RootPointer, revision), 15);
const_assert_eq!(offset_of!(RootPointer, rsdt), 16);

/// The same from [`EXTENDED`] on.
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ExtendedRootPointer {
    first: RootPointer,
    length: U32,
    xsdt: U64,
    extended_checksum: u8,
    reserved: [u8; 3],
}

const_assert_eq!(size_of::<ExtendedRootPointer>(), 36);
const_assert_eq!(offset_of!(ExtendedRootPointer, length), 20);
const_assert_eq!(offset_of!(ExtendedRootPointer, xsdt), 24);

/// The longest of a later revision that is believed.
const MAX_ROOT_BYTES: usize = 256;

/// The first revision that has 64-bit pointers.
const EXTENDED: u8 = 2;

/// The tables of a machine.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a, M: ?Sized> {
    memory: &'a M,
    pointers: &'a [u8],
    pointer_bytes: usize,
}

impl<'a, M: PhysicalMemory + ?Sized> Tables<'a, M> {
    /// Finds the tables by their root pointer (RSDP), whose address whoever started the kernel names.
    ///
    /// # Errors
    ///
    /// [`AcpiError`] if the pointer or the table it points to cannot be read.
    pub fn find(memory: &'a M, root_pointer: u64) -> Result<Self, AcpiError> {
        let (signature, address) = root_table(memory, root_pointer)?;
        let table = Table::read(memory, address, signature)?;
        Ok(Self {
            memory,
            pointers: table.body(),
            pointer_bytes: match signature {
                Signature::XSDT => size_of::<U64>(),
                _ => size_of::<U32>(),
            },
        })
    }

    /// Returns the first table with this signature that is sound.
    ///
    /// # Errors
    ///
    /// [`AcpiError::Missing`] if there is none, or what is wrong with the last there is.
    pub fn table(&self, signature: Signature) -> Result<Table<'a>, AcpiError> {
        let mut reason = AcpiError::Missing(signature);
        for pointer in self
            .pointers
            .chunks_exact(self.pointer_bytes)
            .take(MAX_TABLES)
        {
            let mut address = [0; size_of::<u64>()];
            for (to, from) in address.iter_mut().zip(pointer) {
                *to = *from;
            }
            let address = u64::from_le_bytes(address);
            if signature_at(self.memory, address) != Some(signature) {
                continue;
            }
            match Table::read(self.memory, address, signature) {
                Ok(table) => return Ok(table),
                Err(error) => reason = error,
            }
        }
        Err(reason)
    }

    /// Returns the table at `address`, which another table points to.
    ///
    /// # Errors
    ///
    /// [`AcpiError`], except that it is missing.
    pub fn at(&self, address: u64, signature: Signature) -> Result<Table<'a>, AcpiError> {
        Table::read(self.memory, address, signature)
    }
}

/// Returns which table of tables the root pointer points to, and where that is.
fn root_table(
    memory: &(impl PhysicalMemory + ?Sized),
    address: u64,
) -> Result<(Signature, u64), AcpiError> {
    let signature = Signature::RSDP;
    let unreadable = AcpiError::Unreadable { signature, address };
    let wrong = AcpiError::Checksum { signature };
    let bytes = read(memory, address, size_of::<RootPointer>()).ok_or(unreadable)?;
    let root = RootPointer::ref_from_bytes(bytes).map_err(|_| unreadable)?;
    if root.signature != ROOT_SIGNATURE {
        return Err(AcpiError::Other { signature, address });
    }
    if sum(bytes) != 0 {
        return Err(wrong);
    }
    let rsdt = (Signature::RSDT, root.rsdt.get().into());
    if root.revision < EXTENDED {
        return Ok(rsdt);
    }
    let bytes = read(memory, address, size_of::<ExtendedRootPointer>()).ok_or(unreadable)?;
    let root = ExtendedRootPointer::ref_from_bytes(bytes).map_err(|_| unreadable)?;
    // A later revision may be longer, but what it appends is not for this reader; the sum covers all of it.
    let len_bytes = root.length.get();
    let length = usize::try_from(len_bytes).unwrap_or(usize::MAX);
    if !(size_of::<ExtendedRootPointer>()..=MAX_ROOT_BYTES).contains(&length) {
        return Err(AcpiError::Length {
            signature,
            len_bytes,
        });
    }
    if sum(read(memory, address, length).ok_or(unreadable)?) != 0 {
        return Err(wrong);
    }
    Ok(match root.xsdt.get() {
        0 => rsdt,
        xsdt => (Signature::XSDT, xsdt),
    })
}
