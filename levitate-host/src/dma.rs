//! DMA memory in a process: [`Pool`], and [`DeviceMemory`], the same memory as a device sees it.

mod arena;
mod builder;
mod locked;
mod memory;
mod policy;
mod pool;
mod shared_memory;
mod sharing;
mod state;

pub use builder::PoolBuilder;
pub(crate) use locked::LockedMemory;
pub use memory::{AccessKind, DeviceMemory, Exposure, StrayAccess, StrayReason};
pub use policy::Policy;
pub use pool::Pool;
pub use shared_memory::{ShareError, SharedMemory};
pub use state::{Live, Misuse};

#[cfg(test)]
mod tests;
