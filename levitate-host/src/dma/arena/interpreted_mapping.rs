//! What stands in for shared memory under Miri, which maps no files: [`Mapping`].
//!
//! One allocation of the heap, without a byte that is initialized: reading what no block was made of is a fault that Miri names.

use std::alloc::{Layout, alloc, dealloc};
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

/// Memory of the heap at a multiple of its length, which no other process can map.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    layout: Layout,
    is_kept: bool,
}

// SAFETY: the pointer is to memory of the process, which belongs to no thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Allocates `len_bytes`, rounded up to a power of two, which is also what the base is a multiple of.
    pub(crate) fn new(len_bytes: usize) -> io::Result<Self> {
        let too_long = || io::Error::from(io::ErrorKind::InvalidInput);
        let len_bytes = len_bytes
            .checked_next_power_of_two()
            .ok_or_else(too_long)?
            .max(1 << 16);
        let layout = Layout::from_size_align(len_bytes, len_bytes).map_err(|_| too_long())?;
        // SAFETY: the size is not 0.
        let base = NonNull::new(unsafe { alloc(layout) }).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            base,
            layout,
            is_kept: false,
        })
    }

    pub(crate) const fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) const fn len_bytes(&self) -> usize {
        self.layout.size()
    }

    /// Fails: there is no file behind this memory.
    pub(crate) fn duplicate_file(&self) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Leaves the memory allocated when this is dropped.
    pub(crate) const fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.is_kept {
            // SAFETY: made by `new` with this layout, freed once; whoever hands out pointers calls `keep` while any may be used.
            unsafe { dealloc(self.base.as_ptr(), self.layout) };
        }
    }
}
