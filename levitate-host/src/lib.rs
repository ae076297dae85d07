#![doc = include_str!("../README.md")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    reason = "a test platform may panic on its own mistakes; what a driver hands it is checked"
)]

pub mod any;
pub mod block;
pub mod clock;
pub mod device;
pub mod dma;
pub mod gpu;
pub mod mmio;
pub mod pci;
pub mod queue;
mod sync;
pub mod task;
#[cfg(target_os = "linux")]
pub mod vhost_user;

pub use any::{AnyDevice, Plug};
pub use block::BlockModel;
pub use clock::{SystemClock, VirtualClock};
pub use device::{Behaviour, Completion, DeviceModel, Fault, Violation};
pub use dma::{DeviceMemory, Policy, Pool, SharedMemory, StrayAccess};
pub use gpu::GpuModel;
pub use mmio::{MmioDevice, Version};
pub use pci::PciDevice;
pub use task::Task;
