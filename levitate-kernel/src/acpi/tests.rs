//! The tables of QEMU's machines as they are, cut short, damaged and at random.

mod damaged;
mod found;
mod real;

use core::ops::Range;
use std::vec::Vec;

use super::{PhysicalMemory, Signature, Table};

/// Memory in pieces.
#[derive(Clone, Debug, Default)]
struct Memory(Vec<(u64, Vec<u8>)>);

impl Memory {
    /// Adds a piece; the first that has what is asked for is read.
    fn with(mut self, address: u64, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.push((address, bytes.into()));
        self
    }

    /// Returns the piece that begins at `address`.
    fn piece(&mut self, address: u64) -> &mut Vec<u8> {
        let mut pieces = self.0.iter_mut();
        &mut pieces.find(|(start, _)| *start == address).unwrap().1
    }
}

impl PhysicalMemory for Memory {
    fn bytes(&self, range: Range<u64>) -> Option<&[u8]> {
        self.0.iter().find_map(|(start, bytes)| {
            let first = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let end = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            bytes.get(first..end)
        })
    }
}

/// Returns a table with this body, and the right length and checksum.
fn sealed(signature: Signature, body: &[u8]) -> Vec<u8> {
    let mut table = Vec::from(signature.0);
    let length = u32::try_from(36 + body.len()).unwrap();
    table.extend(length.to_le_bytes());
    table.resize(36, 0);
    table.extend(body);
    table[9] = checksum(&table);
    table
}

/// Returns what makes the sum of `bytes` zero.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

/// Has `look` see a sound table with this body.
fn with_table<R>(signature: Signature, body: &[u8], look: impl FnOnce(&Table<'_>) -> R) -> R {
    let memory = Memory::default().with(0x1000, sealed(signature, body));
    look(&Table::read(&memory, 0x1000, signature).unwrap())
}

/// Returns a root pointer of the first revision.
fn root_pointer(rsdt: u32) -> Vec<u8> {
    let mut root = b"RSD PTR \0OEMOEM\0".to_vec();
    root.extend(rsdt.to_le_bytes());
    root[8] = checksum(&root);
    root
}

/// Returns a root pointer of the second revision.
fn extended_root_pointer(rsdt: u32, xsdt: u64) -> Vec<u8> {
    let mut root = b"RSD PTR \0OEMOEM\x02".to_vec();
    root.extend(rsdt.to_le_bytes());
    root[8] = checksum(&root);
    root.extend(36_u32.to_le_bytes());
    root.extend(xsdt.to_le_bytes());
    root.resize(36, 0);
    root[32] = checksum(&root);
    root
}
