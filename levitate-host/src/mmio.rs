//! The MMIO transport as its device has it, in both versions (§4.2): [`MmioDevice`].

mod handle;
mod recorder;
mod registers;
mod transport;

pub use handle::{MmioBuilder, MmioDevice, Version};
pub use recorder::{Access, AccessLog, Operation};
