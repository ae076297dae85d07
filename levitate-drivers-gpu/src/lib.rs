#![no_std]
#![forbid(unsafe_code)]
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

#[cfg(test)]
extern crate std;

/// Keeps the example of the project's front page compiling.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct FrontPage;

mod area;
mod asynchronous;
mod chunk;
mod config;
mod control;
mod damage;
mod device;
pub mod edid;
mod error;
mod features;
mod frame;
mod framebuffer;
mod life;
mod mode;
mod pixel;
mod present;
mod protocol;
mod resize;
mod resource;
mod scanout;
mod storage;

pub use asynchronous::AsyncGpu;
pub use chunk::Chunk;
pub use config::{ConfigLayout, Events, GpuConfig};
pub use device::{Gpu, Options, Stopped};
pub use edid::{Edid, EdidError, PreferredTiming};
pub use error::{CommandError, Error, InitError, ResetError, ResponseFault};
pub use features::GpuFeatures;
pub use frame::{FrameToken, Presented};
pub use framebuffer::Framebuffer;
/// What an interrupt handler calls to wake the task that waits for an [`AsyncGpu`].
pub use levitate_virtio::Signal;
pub use mode::{Display, DisplayInfo, MAX_PIXELS_PER_SIDE, Mode, ModeSource, Screen, Screens};
pub use pixel::Bgrx8888;
pub use protocol::CommandType;
pub use storage::GpuStorage;
