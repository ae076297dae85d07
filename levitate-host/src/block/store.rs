//! Where the bytes of a disk are, in memory or in a file: [`Store`].

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::SECTOR_BYTES;

/// What a discarded sector in memory reads as: not zero, for a driver must not count on anything (§5.2.6.1).
pub const DISCARDED: u8 = 0xde;
static ZEROES: [u8; 1 << 16] = [0; 1 << 16];

/// Whether a write outlives a loss of power before the next flush (§5.2.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    Volatile,
    Stable,
}

/// The bytes of a disk, in whole sectors.
#[derive(Debug)]
pub(super) enum Store {
    Memory(Memory),
    File(File),
}

/// Bytes in memory, once as a read finds them and once as a loss of power would leave them.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) content: Vec<u8>,
    pub(super) durable: Vec<u8>,
    allocated: Vec<bool>,
}

impl Memory {
    fn change(
        &mut self,
        range: &Range<u64>,
        durability: Durability,
        change: impl Fn(&mut [u8]),
    ) -> io::Result<()> {
        let bytes = to_usize(range)?;
        change(slice_mut(&mut self.content, &bytes)?);
        if durability == Durability::Stable {
            change(slice_mut(&mut self.durable, &bytes)?);
        }
        Ok(())
    }

    fn set_allocated(&mut self, range: &Range<u64>, is_allocated: bool) -> io::Result<()> {
        let bytes = to_usize(range)?;
        let sectors = bytes.start / SECTOR_BYTES..bytes.end / SECTOR_BYTES;
        self.allocated
            .get_mut(sectors)
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .fill(is_allocated);
        Ok(())
    }
}

/// Where bytes of a disk are, all in bytes from its beginning.
impl Store {
    pub(super) fn memory(content: Vec<u8>) -> Self {
        Self::Memory(Memory {
            durable: content.clone(),
            allocated: vec![true; content.len() / SECTOR_BYTES],
            content,
        })
    }

    pub(super) fn is_allocated(&self, sector: u64) -> Option<bool> {
        match self {
            Self::Memory(memory) => memory.allocated.get(usize::try_from(sector).ok()?).copied(),
            Self::File(_) => None,
        }
    }

    pub(super) fn read(&self, range: &Range<u64>) -> io::Result<Vec<u8>> {
        match self {
            Self::Memory(memory) => {
                let found = memory.content.get(to_usize(range)?);
                Ok(found.ok_or(io::ErrorKind::UnexpectedEof)?.to_vec())
            }
            Self::File(file) => {
                let mut bytes = vec![0; to_usize(range)?.len()];
                file.read_exact_at(&mut bytes, range.start)?;
                Ok(bytes)
            }
        }
    }

    pub(super) fn write(
        &mut self,
        start: u64,
        data: &[u8],
        durability: Durability,
    ) -> io::Result<()> {
        match self {
            Self::Memory(memory) => {
                let range = start..start + data.len() as u64;
                memory.change(&range, durability, |bytes| bytes.copy_from_slice(data))?;
                memory.set_allocated(&range, true)
            }
            Self::File(file) => {
                file.write_all_at(data, start)?;
                settle(file, durability)
            }
        }
    }

    /// Makes `range` read as zeroes; `unmap` gives its space back.
    pub(super) fn zero(
        &mut self,
        range: &Range<u64>,
        unmap: bool,
        durability: Durability,
    ) -> io::Result<()> {
        match self {
            Self::Memory(memory) => {
                memory.change(range, durability, |bytes| bytes.fill(0))?;
                memory.set_allocated(range, !unmap)
            }
            Self::File(file) => {
                if unmap {
                    punch(file, range)?;
                } else {
                    write_zeroes(file, range)?;
                }
                settle(file, durability)
            }
        }
    }

    /// Gives the space of `range` back; what it reads as is of no meaning.
    pub(super) fn discard(&mut self, range: &Range<u64>, durability: Durability) -> io::Result<()> {
        match self {
            Self::Memory(memory) => {
                memory.change(range, durability, |bytes| bytes.fill(DISCARDED))?;
                memory.set_allocated(range, false)
            }
            Self::File(_) => self.zero(range, true, durability),
        }
    }

    /// Makes all completed writes outlive a loss of power.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Memory(memory) => {
                memory.durable.copy_from_slice(&memory.content);
                Ok(())
            }
            Self::File(file) => file.sync_data(),
        }
    }
}

fn to_usize(range: &Range<u64>) -> io::Result<Range<usize>> {
    let index = |value| usize::try_from(value).map_err(|_| io::ErrorKind::InvalidInput);
    Ok(index(range.start)?..index(range.end)?)
}

fn slice_mut<'a>(bytes: &'a mut [u8], range: &Range<usize>) -> io::Result<&'a mut [u8]> {
    Ok(bytes
        .get_mut(range.clone())
        .ok_or(io::ErrorKind::UnexpectedEof)?)
}

fn settle(file: &File, durability: Durability) -> io::Result<()> {
    match durability {
        Durability::Volatile => Ok(()),
        Durability::Stable => file.sync_data(),
    }
}

/// Makes a hole of `range`, or zeroes in a file system that has no holes.
fn punch(file: &File, range: &Range<u64>) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match fallocate(file, flags, range.start, range.end - range.start) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeroes(file, range),
        result => Ok(result?),
    }
}

fn write_zeroes(file: &File, range: &Range<u64>) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let count = (range.end - at).min(ZEROES.len() as u64);
        file.write_all_at(&ZEROES[..count as usize], at)?;
        at += count;
    }
    Ok(())
}
