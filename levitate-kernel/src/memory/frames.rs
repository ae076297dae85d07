//! Pages of memory that nobody uses, and which addresses are memory at all.

use alloc::vec::Vec;
use core::alloc::Layout;
use core::ops::Range;

pub(crate) use free_list::PAGE_SIZE as PAGE_BYTES;
use free_list::{FreeList, PageLayout, PageRange};

use super::MemoryError;
use crate::arch::DEVICE_MEMORY;
use crate::lock::Mutex;

/// Ranges of memory that are remembered; `virt` has one.
const MAX_RANGES: usize = 8;
/// Free pieces the list has room for; it never asks the heap for more.
const MAX_PIECES: usize = 256;

/// The free pages, and the memory they are of.
pub(crate) struct Frames {
    free: FreeList<MAX_PIECES>,
    memory: [Range<usize>; MAX_RANGES],
    ranges: usize,
}

static FRAMES: Mutex<Frames> = Mutex::new(Frames::new());

impl Frames {
    pub(crate) const fn new() -> Self {
        Self {
            free: FreeList::new(),
            memory: [const { 0..0 }; MAX_RANGES],
            ranges: 0,
        }
    }

    /// Adds memory, whole pages of it; says whether it did.
    ///
    /// What overlaps registers or other memory is not believed, and the table of ranges has an end.
    ///
    /// # Safety
    ///
    /// `range` is memory of this machine; what of it is in use is [taken out](Self::take_out) before the first allocation.
    pub(crate) unsafe fn add(&mut self, range: Range<usize>) -> bool {
        let Some(start) = range.start.checked_next_multiple_of(PAGE_BYTES) else {
            return false;
        };
        let end = range.end - range.end % PAGE_BYTES;
        let Ok(pages) = PageRange::new(start, end) else {
            return false;
        };
        let is_registers = start < DEVICE_MEMORY.end && DEVICE_MEMORY.start < end;
        if is_registers || self.ranges == MAX_RANGES || !self.has_room() {
            return false;
        }
        // SAFETY: free memory, but for what the caller takes out later. An overlap is refused and changes nothing.
        if unsafe { self.free.deallocate(pages) }.is_err() {
            return false;
        }
        self.memory[self.ranges] = start..end;
        self.ranges += 1;
        true
    }

    /// Takes memory that is in use out of the free pages, and every page it has a part of.
    ///
    /// # Errors
    ///
    /// [`MemoryError::InUse`] if the list has no room for what it leaves: a part of it may still be free.
    pub(crate) fn take_out(&mut self, range: Range<usize>) -> Result<(), MemoryError> {
        /// Where the last page begins. There is no memory from there on: a range of it would have no end.
        const LAST_PAGE: usize = usize::MAX - (PAGE_BYTES - 1);
        if range.is_empty() {
            return Ok(());
        }
        let Ok(hole) = PageRange::containing(range.start, range.end.min(LAST_PAGE)) else {
            return Ok(());
        };
        loop {
            let part = self.free.iter().find_map(|free| free.and(hole));
            let Some(part) = part else {
                return Ok(());
            };
            if !self.has_room() || self.free.allocate_at(part).is_err() {
                return Err(MemoryError::InUse {
                    start: range.start,
                    end: range.end,
                });
            }
        }
    }

    /// Returns the number of bytes that are free.
    pub(crate) fn free_bytes(&self) -> usize {
        self.free.free_space()
    }

    fn memory(&self) -> &[Range<usize>] {
        &self.memory[..self.ranges]
    }

    /// Says whether one more piece fits into the list; splitting one piece adds one.
    fn has_room(&self) -> bool {
        self.free.iter().count() < MAX_PIECES
    }
}

/// Adds memory to what this module hands out: [`Frames::add`].
///
/// # Safety
///
/// As there.
pub(super) unsafe fn add(range: Range<usize>) -> bool {
    let mut frames = FRAMES.lock();
    // SAFETY: the caller ensures the same.
    unsafe { frames.add(range) }
}

/// Takes memory that is in use out of what this module hands out: [`Frames::take_out`].
///
/// # Errors
///
/// As there.
pub(super) fn take_out(range: Range<usize>) -> Result<(), MemoryError> {
    FRAMES.lock().take_out(range)
}

/// Returns the ranges of memory the machine has to `use_ranges`.
pub(super) fn with_memory<R>(use_ranges: impl FnOnce(&[Range<usize>]) -> R) -> R {
    let (memory, ranges) = {
        let frames = FRAMES.lock();
        (frames.memory.clone(), frames.ranges)
    };
    use_ranges(&memory[..ranges])
}

/// Takes free pages: at least `layout.size()` bytes, aligned to `layout.align()` and to a page.
pub(crate) fn allocate(layout: Layout) -> Option<Range<usize>> {
    let pages = page_layout(layout)?;
    let frames = &mut *FRAMES.lock();
    if !frames.has_room() {
        return None;
    }
    let pages = frames.free.allocate(pages).ok()?;
    Some(pages.start()..pages.end())
}

/// Gives pages back.
///
/// # Safety
///
/// `start` came from [`allocate`] with the same `layout`, and nothing uses the pages any more.
pub(crate) unsafe fn release(start: usize, layout: Layout) {
    let Some(layout) = page_layout(layout) else {
        return;
    };
    let Ok(pages) = PageRange::from_start_len(start, layout.size()) else {
        return;
    };
    let frames = &mut *FRAMES.lock();
    if frames.has_room() {
        // SAFETY: nothing uses the pages, says the caller. With the list full they are lost, which harms nobody.
        // It fails if they were given back before, which the caller rules out.
        let _ = unsafe { frames.free.deallocate(pages) };
    }
}

/// Takes the pages of `range`, which has to be whole pages; says whether they were free.
pub(crate) fn take(range: Range<usize>) -> bool {
    let frames = &mut *FRAMES.lock();
    let Ok(pages) = PageRange::new(range.start, range.end) else {
        return false;
    };
    frames.has_room() && frames.free.allocate_at(pages).is_ok()
}

/// Returns the last page of each range of memory.
pub(crate) fn last_pages() -> Vec<Range<usize>> {
    with_memory(|ranges| {
        let ends = ranges.iter().map(|range| range.end);
        ends.map(|end| end - PAGE_BYTES..end).collect()
    })
}

/// Says whether every address of `range` is memory.
pub(crate) fn is_memory(range: Range<usize>) -> bool {
    let frames = FRAMES.lock();
    let mut memory = frames.memory().iter();
    memory.any(|memory| memory.start <= range.start && range.end <= memory.end)
}

/// Says whether any address of `range` is memory.
pub(crate) fn overlaps_memory(range: &Range<usize>) -> bool {
    let frames = FRAMES.lock();
    let mut memory = frames.memory().iter();
    memory.any(|memory| memory.start < range.end && range.start < memory.end)
}

/// Returns the number of bytes that are free.
pub(crate) fn free_bytes() -> usize {
    FRAMES.lock().free_bytes()
}

fn page_layout(layout: Layout) -> Option<PageLayout> {
    let size = layout.size().checked_next_multiple_of(PAGE_BYTES)?;
    PageLayout::from_size_align(size, layout.align().max(PAGE_BYTES)).ok()
}
