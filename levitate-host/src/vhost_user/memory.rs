//! The memory that both sides map: [`Memory`].

use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU16, Ordering};

use levitate_hal::DmaAddr;
use vhost::VhostUserMemoryRegionInfo;

use crate::dma::{Pool, ShareError, SharedMemory};

/// All memory of a pool, as a back end is told of it.
pub(super) struct Memory {
    shared: SharedMemory,
    /// Keeps the memory mapped.
    _pool: Pool,
}

// SAFETY: the pointer is to memory that belongs to no thread, and is only used for atomic loads.
unsafe impl Send for Memory {}

impl Memory {
    pub(super) fn new(pool: &Pool) -> Result<Self, ShareError> {
        Ok(Self {
            shared: pool.shared_memory()?,
            _pool: pool.clone(),
        })
    }

    /// Returns the description for the back end; the file is valid as long as `self`.
    pub(super) fn region(&self) -> VhostUserMemoryRegionInfo {
        VhostUserMemoryRegionInfo {
            guest_phys_addr: self.shared.device_base.get(),
            memory_size: self.shared.len_bytes,
            userspace_addr: self.shared.cpu_base.addr().get() as u64,
            mmap_offset: self.shared.offset_bytes,
            mmap_handle: self.shared.file.as_raw_fd(),
        }
    }

    /// Returns the address in this process of `len_bytes` from `addr` on; `None` if they are not all in this memory.
    pub(super) fn user_address(&self, addr: DmaAddr, len_bytes: u64) -> Option<u64> {
        let offset = self.offset(addr, len_bytes)?;
        Some(self.shared.cpu_base.addr().get() as u64 + offset)
    }

    /// Reads 16 bits that the device writes; `None` if they are not in this memory, or not aligned.
    pub(super) fn read_u16(&self, addr: DmaAddr) -> Option<u16> {
        let offset = usize::try_from(self.offset(addr, 2)?).ok()?;
        // SAFETY: `offset` lies within the `len_bytes` that are mapped at `cpu_base`.
        let place = unsafe { self.shared.cpu_base.add(offset) }.cast::<AtomicU16>();
        if !place.is_aligned() {
            return None;
        }
        // SAFETY: it is aligned, in bounds, and mapped for as long as the pool lives, which `self` holds; the other process is the
        // only one to write to it, and an atomic load beside that is no data race.
        let value = unsafe { place.as_ref() };
        // Acquire: with what the device wrote before it published the index (§2.7.8).
        Some(u16::from_le(value.load(Ordering::Acquire)))
    }

    fn offset(&self, addr: DmaAddr, len_bytes: u64) -> Option<u64> {
        let offset = addr.get().checked_sub(self.shared.device_base.get())?;
        let end = offset.checked_add(len_bytes)?;
        (end <= self.shared.len_bytes).then_some(offset)
    }
}
