//! DMA memory in a process: [`Pool`], and [`DeviceMemory`], the same memory as a device sees it.

mod builder;
mod heap;
mod memory;
mod pool;
mod sharing;
mod state;

pub use builder::PoolBuilder;
pub use memory::{AccessKind, DeviceMemory, Exposure, StrayAccess, StrayReason};
pub use pool::Pool;
pub use state::{Live, Misuse};

#[cfg(test)]
mod tests;
