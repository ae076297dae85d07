//! A pool's memory for another process: [`SharedMemory`].

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use levitate_hal::DmaAddr;
use thiserror::Error;

use super::policy::Policy;
use super::pool::Pool;
use crate::sync::lock;

/// All coherent memory of a pool, and under [`Policy::Bounce`] all mappings too, as one linear range.
///
/// Byte `n` of it is at `cpu_base + n` for this process, at `device_base + n` for a device, and at
/// `offset_bytes + n` of `file` for whoever maps that.
#[derive(Debug)]
pub struct SharedMemory {
    /// What to map, shared; it stays usable when all of this is gone.
    pub file: OwnedFd,
    /// Where the range begins in `file`.
    pub offset_bytes: u64,
    /// How long it is.
    pub len_bytes: u64,
    /// Where it is mapped in this process, for as long as this is there.
    pub cpu_base: NonNull<u8>,
    /// Where devices find it.
    pub device_base: DmaAddr,
    /// Keeps `cpu_base` mapped.
    _pool: Pool,
}

/// Why a pool's memory cannot be described as one range.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ShareError {
    /// Device addresses are given out one by one, so no single range has them.
    #[error("memory behind an IOMMU is not one linear range of device addresses: {0:?}")]
    NotLinear(Policy),
    /// The file could not be duplicated.
    #[error("the memory file could not be duplicated")]
    File(#[source] io::Error),
}

impl Pool {
    /// Describes the pool's memory for another process to map.
    ///
    /// Buffers mapped under [`Policy::Identity`] lie in the heap of this process and are not in it; a device in another process
    /// takes [`Policy::Bounce`].
    ///
    /// # Errors
    ///
    /// [`ShareError::NotLinear`] for a policy with an IOMMU, [`ShareError::File`] if there are too many open files.
    pub fn shared_memory(&self) -> Result<SharedMemory, ShareError> {
        let state = lock(&self.shared.state);
        let mapping = state.arena.mapping();
        let device_base = state
            .linear_base()
            .ok_or(ShareError::NotLinear(state.policy))?;
        Ok(SharedMemory {
            file: mapping.duplicate_file().map_err(ShareError::File)?,
            offset_bytes: 0,
            len_bytes: mapping.len_bytes() as u64,
            cpu_base: mapping.base(),
            device_base: DmaAddr::new(device_base),
            _pool: self.clone(),
        })
    }
}
