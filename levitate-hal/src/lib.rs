#![no_std]
#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a test may panic"
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(test, loom))]
extern crate std;

pub mod address;
pub mod barrier;
pub mod buffer;
pub mod clock;
pub mod dma;
pub mod mapped;
pub mod mmio;
pub mod owner;
pub mod platform;
pub mod region;

pub use address::DmaAddr;
pub use barrier::Barriers;
pub use buffer::{DmaBuffer, Segment, Segments};
pub use clock::{Clock, Deadline, Instant};
pub use dma::{Direction, Dma, DmaAllocation, DmaError};
pub use mapped::{Mapped, StableBuffer};
pub use mmio::{Mmio, MmioPart};
pub use owner::{DmaBox, DmaSlice};
pub use platform::Platform;
pub use region::{DmaRegion, OutOfRange};
