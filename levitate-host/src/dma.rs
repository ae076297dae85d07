//! DMA memory in a process: [`Pool`], and [`DeviceMemory`], the same memory as a device sees it.

mod heap;
mod memory;
mod pool;
mod state;

pub use memory::{AccessKind, DeviceMemory, Exposure, StrayAccess, StrayReason};
pub use pool::{Pool, PoolBuilder};
pub use state::{Live, Misuse};

#[cfg(test)]
mod tests;
