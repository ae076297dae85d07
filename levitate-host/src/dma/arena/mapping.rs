//! Memory that another process can map as well: [`Mapping`].

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::{NonNull, null_mut};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// A file without a name, mapped shared at a multiple of its length; pages that nobody touched take no memory.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len_bytes: usize,
    file: OwnedFd,
    /// The address space around the mapping, which is unmapped with it.
    reserved: NonNull<u8>,
    reserved_bytes: usize,
    is_kept: bool,
}

// SAFETY: the pointers are to memory of the process, which belongs to no thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len_bytes`, rounded up to a power of two, which is also what the base is a multiple of.
    pub(crate) fn new(len_bytes: usize) -> io::Result<Self> {
        let too_long = || io::Error::from(io::ErrorKind::InvalidInput);
        let len_bytes = len_bytes
            .checked_next_power_of_two()
            .ok_or_else(too_long)?
            .max(1 << 16);
        let reserved_bytes = len_bytes.checked_mul(2).ok_or_else(too_long)?;
        let file = memfd_create("levitate-dma", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, len_bytes as u64)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice, so none of the process's is replaced.
        let reserved =
            unsafe { mmap_anonymous(null_mut(), reserved_bytes, ProtFlags::empty(), flags) }?;
        let lead = reserved.addr().next_multiple_of(len_bytes) - reserved.addr();
        let at = reserved.wrapping_byte_add(lead);
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: `lead` is less than `len_bytes`, so this replaces a part of what was just reserved, which nobody uses.
        let mapped = unsafe { mmap(at, len_bytes, access, flags, &file, 0) };
        let base = match mapped {
            Ok(base) => base,
            Err(error) => {
                // SAFETY: reserved above, and used by nobody.
                let _ = unsafe { munmap(reserved, reserved_bytes) };
                return Err(error.into());
            }
        };
        let not_null = |place: *mut _| NonNull::new(place).ok_or_else(too_long);
        Ok(Self {
            base: not_null(base)?.cast(),
            len_bytes,
            file,
            reserved: not_null(reserved)?.cast(),
            reserved_bytes,
            is_kept: false,
        })
    }

    pub(crate) const fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) const fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Returns the file for someone else to map.
    pub(crate) fn duplicate_file(&self) -> io::Result<OwnedFd> {
        self.file.try_clone()
    }

    /// Leaves the memory mapped when this is dropped.
    pub(crate) const fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.is_kept {
            // SAFETY: made by `new` with this length, unmapped once; whoever hands out pointers calls `keep` while any may be used.
            let unmapped = unsafe { munmap(self.reserved.as_ptr().cast(), self.reserved_bytes) };
            debug_assert!(unmapped.is_ok(), "munmap: {unmapped:?}");
        }
    }
}
