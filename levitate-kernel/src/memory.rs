//! The machine's memory: who has which part of it.

pub(crate) mod frames;
pub(crate) mod heap;

use core::ops::Range;

use log::{debug, info};
use thiserror::Error;

use crate::arch;
use crate::arch::memory_map::MemoryMapError;
use crate::device_tree::DeviceTree;

/// Why the kernel has no memory to work with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum MemoryError {
    /// The pages for the heap are not there.
    #[error("there is no memory for a heap of {size_bytes} bytes")]
    NoHeap {
        /// Length of the heap.
        size_bytes: usize,
    },
    /// The page table could not be built.
    #[error(transparent)]
    Map(#[from] MemoryMapError),
}

/// Takes stock of the memory `tree` names, sets up the heap, and maps it all.
///
/// # Errors
///
/// [`MemoryError`]; the kernel cannot go on then.
///
/// # Safety
///
/// `tree` describes this machine, and nothing but this kernel uses its memory; it is called once, before anything is allocated.
pub(crate) unsafe fn start(tree: &DeviceTree) -> Result<(), MemoryError> {
    let image = arch::image();
    // SAFETY: memory of this machine, says the caller; what is in use already is taken out below, before anybody allocates.
    tree.memory(|range| unsafe { frames::add(range) });
    frames::take_out(tree.place());
    frames::take_out(image.clone());
    tree.reserved(frames::take_out);
    // SAFETY: called once, before anything was allocated, says the caller; the first pages are mapped since boot.
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
