//! The memory behind a pool, and which pages of it are free: [`Arena`].

#[cfg(miri)]
#[path = "arena/interpreted_mapping.rs"]
mod mapping;
#[cfg(not(miri))]
mod mapping;

use std::collections::VecDeque;
use std::io;
use std::ptr::NonNull;

use free_list::{FreeList, PAGE_SIZE, PageLayout, PageRange};

pub(crate) use mapping::Mapping;

/// How many freed bytes are kept from use, so that an address that was given back finds nobody for a while.
const QUARANTINE_BYTES: usize = 16 << 20;

/// One piece of shared memory, cut into blocks of whole pages with a free page after each.
#[derive(Debug)]
pub(crate) struct Arena {
    mapping: Mapping,
    free: FreeList<16>,
    quarantine: VecDeque<PageRange>,
    quarantined_bytes: usize,
}

/// Memory of an arena; given back with [`Arena::free`] and not by drop: a block that was leaked stays valid.
#[derive(Debug)]
pub(crate) struct Block {
    pages: PageRange,
    start: NonNull<u8>,
    offset: usize,
    len_bytes: usize,
}

// SAFETY: a block is plain memory; it belongs to no thread.
unsafe impl Send for Block {}

impl Block {
    /// Returns the first byte that was asked for.
    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Returns where that is in the arena, in bytes.
    pub(crate) const fn offset(&self) -> usize {
        self.offset
    }
}

impl Arena {
    /// Makes an arena of `len_bytes`, of which none takes memory before it is used.
    pub(crate) fn new(len_bytes: usize) -> io::Result<Self> {
        let mapping = Mapping::new(len_bytes)?;
        let mut free = FreeList::new();
        let pages = mapping.len_bytes() - mapping.len_bytes() % PAGE_SIZE;
        // Not the first page: it is the one in front of the first block, and belongs to nobody.
        if let Ok(all) = PageRange::new(PAGE_SIZE, pages) {
            // SAFETY: these pages are of the mapping, and nobody uses them yet.
            unsafe { free.deallocate(all) }.expect("an empty list takes any range");
        }
        Ok(Self {
            mapping,
            free,
            quarantine: VecDeque::new(),
            quarantined_bytes: 0,
        })
    }

    pub(crate) const fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Keeps the memory mapped for as long as the process lives.
    pub(crate) const fn keep(&mut self) {
        self.mapping.keep();
    }

    /// Takes `size_bytes` zeroed bytes; with `exactly`, at an *odd* multiple of `align`, so that they are not aligned to anything more.
    pub(crate) fn allocate(
        &mut self,
        size_bytes: usize,
        align: usize,
        exactly: bool,
    ) -> Option<Block> {
        let (whole_align, lead) = if exactly {
            (align.checked_mul(2)?, align)
        } else {
            (align, 0)
        };
        let whole = lead
            .checked_add(size_bytes)?
            .checked_next_multiple_of(PAGE_SIZE)?
            .checked_add(PAGE_SIZE)?;
        let layout = PageLayout::from_size_align(whole, whole_align.max(PAGE_SIZE)).ok()?;
        let pages = self.free.allocate(layout).ok().or_else(|| {
            while !self.quarantine.is_empty() {
                self.release_oldest();
            }
            self.free.allocate(layout).ok()
        })?;
        let offset = pages.start() + lead;
        // SAFETY: the free list holds offsets of the mapping only, and `size_bytes` fit behind `lead`.
        let start = unsafe { self.mapping.base().add(offset) };
        // SAFETY: the pages are this block's alone: the free list has just given them out.
        unsafe { start.write_bytes(0, size_bytes) };
        Some(Block {
            pages,
            start,
            offset,
            len_bytes: size_bytes,
        })
    }

    /// Overwrites the block with `poison` and takes it back.
    ///
    /// # Safety
    ///
    /// The block is of this arena, and nobody uses its memory any more.
    pub(crate) unsafe fn free(&mut self, block: Block, poison: u8) {
        // SAFETY: the block is that long, and nobody else uses it (caller).
        unsafe { block.start.write_bytes(poison, block.len_bytes) };
        self.quarantined_bytes += block.pages.len().get();
        self.quarantine.push_back(block.pages);
        while self.quarantined_bytes > QUARANTINE_BYTES {
            self.release_oldest();
        }
    }

    fn release_oldest(&mut self) {
        if let Some(pages) = self.quarantine.pop_front() {
            self.quarantined_bytes -= pages.len().get();
            // SAFETY: the pages came from this list, and `free` was told that nobody uses them.
            unsafe { self.free.deallocate(pages) }.expect("pages in quarantine are not free");
        }
    }
}
