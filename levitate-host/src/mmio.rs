//! The MMIO transport as its device has it, in both versions (§4.2): [`MmioDevice`].

mod builder;
mod control;
mod handle;
mod recorder;
mod registers;
mod transport;
mod worker;

pub use builder::{MmioBuilder, Version};
pub use handle::MmioDevice;
pub use recorder::{Access, AccessLog, Operation};
