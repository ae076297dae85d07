//! A block of the process's heap with an alignment that is chosen exactly: [`HeapBlock`].

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// Zeroed memory of the process, freed with [`HeapBlock::free`] and not by drop: a block that was leaked stays valid.
#[derive(Debug)]
pub(crate) struct HeapBlock {
    base: NonNull<u8>,
    layout: Layout,
    offset: usize,
}

// SAFETY: a block is plain memory; it belongs to no thread.
unsafe impl Send for HeapBlock {}

impl HeapBlock {
    /// Allocates `size_bytes`; with `exactly`, at an *odd* multiple of `align`, so that it is not aligned to anything more.
    pub(crate) fn new(size_bytes: usize, align: usize, exactly: bool) -> Option<Self> {
        let (whole_align, offset) = if exactly {
            (align.checked_mul(2)?, align)
        } else {
            (align, 0)
        };
        let whole = size_bytes.checked_add(offset)?.max(1);
        let layout = Layout::from_size_align(whole, whole_align).ok()?;
        // SAFETY: the layout has at least one byte (`max(1)`).
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self {
            base,
            layout,
            offset,
        })
    }

    /// Returns the first byte that was asked for.
    pub(crate) fn start(&self) -> NonNull<u8> {
        // SAFETY: `offset` is less than the size of the block, and so inside it.
        unsafe { self.base.add(self.offset) }
    }

    /// Overwrites everything with `poison` and gives it back.
    ///
    /// # Safety
    ///
    /// Nobody uses the memory any more.
    pub(crate) unsafe fn free(self, poison: u8) {
        // SAFETY: the block is `layout.size()` bytes long, and nobody else uses it (caller).
        unsafe { self.base.write_bytes(poison, self.layout.size()) };
        // SAFETY: `base` came from `alloc_zeroed` with this layout in `new`, and `self` is consumed, so it is freed once.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}
