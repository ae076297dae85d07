//! The machine's memory: who has which part of it.

pub(crate) mod frames;
pub(crate) mod heap;
pub(crate) mod registers;

use core::ops::Range;

use log::{debug, info, warn};
use thiserror::Error;

use crate::arch;
use crate::arch::memory_map::MemoryMapError;
use crate::machine::Machine;

/// Why the kernel has no memory to work with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum MemoryError {
    /// The pages for the heap are not there.
    #[error("there is no memory for a heap of {size_bytes} bytes")]
    NoHeap {
        /// Length of the heap.
        size_bytes: usize,
    },
    /// The pages for the heap cannot be used yet, and the page table that maps them is made in the heap.
    #[error("the heap would be at {start:#x}..{end:#x}, which is not mapped at boot")]
    HeapNotMapped {
        /// Where it would begin.
        start: usize,
        /// Where it would end.
        end: usize,
    },
    /// Memory that is somebody else's cannot be kept apart from what is free.
    #[error("the memory in use at {start:#x}..{end:#x} is one piece too many")]
    InUse {
        /// Where it begins.
        start: usize,
        /// Where it ends.
        end: usize,
    },
    /// The page table could not be built.
    #[error(transparent)]
    Map(#[from] MemoryMapError),
}

/// Takes stock of the memory `machine` names, sets up the heap, and maps it all.
///
/// # Errors
///
/// [`MemoryError`]; the kernel cannot go on then.
///
/// # Safety
///
/// `machine` describes this machine, and nothing but this kernel uses its memory; it is called once, before anything is allocated.
pub(crate) unsafe fn start(machine: &Machine) -> Result<(), MemoryError> {
    let image = arch::image();
    for Range { start, end } in machine.memory.iter().cloned() {
        // SAFETY: memory of this machine, says the caller; what is in use already is taken out below, before anybody allocates.
        let is_added = unsafe { frames::add(start..end) };
        if !is_added {
            warn!("memory {start:#x}..{end:#x} is left unused");
        }
    }
    frames::take_out(image.clone())?;
    for range in &machine.reserved {
        frames::take_out(range.clone())?;
    }
    // SAFETY: called once, before anything was allocated, says the caller.
    unsafe { heap::start() }?;
    frames::with_memory(arch::memory_map::activate)?;
    frames::with_memory(|ranges| {
        for Range { start, end } in ranges {
            info!("memory {start:#x}..{end:#x} ({} MiB)", (end - start) >> 20);
        }
    });
    info!("heap {} MiB", heap::SIZE_BYTES >> 20);
    debug!(
        "kernel {:#x}..{:#x}, {} bytes free",
        image.start,
        image.end,
        frames::free_bytes()
    );
    Ok(())
}
