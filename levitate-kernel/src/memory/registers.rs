//! Where device registers are mapped: [`map`], [`is_mapped`].
//!
//! What every machine has is mapped from the start; the rest, such as what is behind a PCI bus, is when it is first asked for.

use core::ops::Range;

use heapless::Vec;
use thiserror::Error;

use super::frames::{self, PAGE_BYTES};
use crate::arch::DEVICE_MEMORY;
use crate::arch::memory_map::{self, MemoryMapError};
use crate::lock::Mutex;

/// Ranges that can be added.
const MAX_RANGES: usize = 64;

/// What was added to [`DEVICE_MEMORY`], in whole pages.
static ADDED: Mutex<Vec<Range<usize>, MAX_RANGES>> = Mutex::new(Vec::new());

/// Why registers are not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum MapError {
    /// There is memory at their addresses.
    #[error("the registers {start:#x}..{end:#x} are said to be where there is memory")]
    Memory {
        /// Where they begin.
        start: usize,
        /// Where they end.
        end: usize,
    },
    /// There are no such addresses.
    #[error("there can be no registers from {start:#x} to {end:#x}")]
    NoRange {
        /// Where they begin.
        start: usize,
        /// Where they end.
        end: usize,
    },
    /// There are too many pieces.
    #[error("the registers {start:#x}..{end:#x} are one piece too many")]
    TooMany {
        /// Where they begin.
        start: usize,
        /// Where they end.
        end: usize,
    },
    /// The page table cannot have them.
    #[error(transparent)]
    Table(#[from] MemoryMapError),
}

/// Maps the registers in `range`, and whatever else is on their pages, unless they are mapped already.
///
/// # Errors
///
/// [`MapError`]; nothing has changed then, but that a part may be mapped which nobody uses.
pub(crate) fn map(range: Range<usize>) -> Result<(), MapError> {
    let Range { start, end } = range;
    let first = start - start % PAGE_BYTES;
    let last = end.checked_next_multiple_of(PAGE_BYTES);
    let Some(pages) = last.map(|last| first..last).filter(|_| start < end) else {
        return Err(MapError::NoRange { start, end });
    };
    if frames::overlaps_memory(&pages) {
        return Err(MapError::Memory { start, end });
    }
    let added = &mut *ADDED.lock();
    if is_among(added, &pages) {
        return Ok(());
    }
    if added.is_full() {
        return Err(MapError::TooMany { start, end });
    }
    memory_map::add_registers(&pages)?;
    // There is room, says the test above.
    let _ = added.push(pages);
    Ok(())
}

/// Says whether registers are mapped at every address of `range`.
pub(crate) fn is_mapped(range: &Range<usize>) -> bool {
    is_among(&ADDED.lock(), range)
}

fn is_among(added: &[Range<usize>], range: &Range<usize>) -> bool {
    let mut mapped = core::iter::once(&DEVICE_MEMORY).chain(added);
    range.start < range.end
        && mapped.any(|mapped| mapped.start <= range.start && range.end <= mapped.end)
}
