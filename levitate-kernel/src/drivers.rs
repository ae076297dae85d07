//! The kernel's own interfaces to displays and disks, and an adapter for each driver that serves one.
//!
//! Above this module nothing knows which crate a driver comes from.

pub(crate) mod block;
pub(crate) mod display;
#[expect(
    dead_code,
    reason = "docs/swapping-drivers.md shows it, and no word of the command line chooses it"
)]
mod example;
mod levitate_blk;
mod levitate_gpu;
#[cfg(feature = "virtio-drivers")]
pub(crate) mod virtio_drivers;

use alloc::boxed::Box;
use core::error::Error;

use levitate_kernel::command_line::Driver;
use levitate_virtio::{Features, Signal};

use self::block::BlockDevice;
use self::display::Display;
use self::levitate_blk::LevitateBlk;
use self::levitate_gpu::LevitateGpu;
#[cfg(feature = "virtio-drivers")]
use self::virtio_drivers::{VirtioDriversBlk, VirtioDriversGpu};
use crate::devices::{Way, WayError};

/// What a driver says of a failure; each driver has its own types, and the kernel passes on what they say.
pub(crate) type DriverError = Box<dyn Error>;

/// What a driver has counted of one virtqueue since it was made; ours counts requests and notifications of a display since that was last
/// brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueCounts {
    /// The queue's index.
    pub(crate) queue: u16,
    /// Requests that were submitted.
    pub(crate) requests: u64,
    /// Available buffer notifications that were sent.
    pub(crate) notifications: u64,
    /// Device-independent features that were agreed on, the format of the ring among them; none if the device is gone, or if the
    /// driver does not say.
    pub(crate) features: Features,
    /// Wake-ups of a task that found nothing done for it; `None` if the driver does not sleep.
    pub(crate) idle_polls: Option<u64>,
}

/// Says whether a driver did not come up because of the messages by which its device was to interrupt.
pub(crate) fn is_about_messages(error: &DriverError) -> bool {
    let way = error.downcast_ref::<WayError>();
    way.is_some_and(WayError::is_about_messages)
        || levitate_blk::is_about_a_vector(error)
        || levitate_gpu::is_about_a_vector(error)
}

/// Says whether a device has not answered, as far as its driver does not wait for that for ever.
pub(crate) fn is_unanswered(error: &DriverError) -> bool {
    levitate_blk::is_unanswered(error)
}

/// Why a driver does not come up that was not built.
#[cfg(not(feature = "virtio-drivers"))]
const NOT_BUILT: &str = "this kernel is built without its feature `virtio-drivers`";

/// Gives the disk that `way` leads to to `driver`; `signal` is told of its interrupts.
///
/// # Errors
///
/// What the driver says.
pub(crate) fn disk(
    driver: Driver,
    way: &Way,
    signal: &'static Signal,
) -> Result<Box<dyn BlockDevice>, DriverError> {
    match driver {
        Driver::Levitate => Ok(Box::new(LevitateBlk::new(way.connect()?, signal)?)),
        #[cfg(feature = "virtio-drivers")]
        Driver::VirtioDrivers => Ok(Box::new(VirtioDriversBlk::new(way)?)),
        #[cfg(not(feature = "virtio-drivers"))]
        Driver::VirtioDrivers => Err(NOT_BUILT.into()),
    }
}

/// Gives the display that `way` leads to to `driver`; `signal` is told of its interrupts.
///
/// # Errors
///
/// What the driver says.
pub(crate) fn display(
    driver: Driver,
    way: &Way,
    signal: &'static Signal,
) -> Result<Box<dyn Display>, DriverError> {
    match driver {
        Driver::Levitate => Ok(Box::new(LevitateGpu::new(way.connect()?, signal)?)),
        #[cfg(feature = "virtio-drivers")]
        Driver::VirtioDrivers => Ok(Box::new(VirtioDriversGpu::new(way)?)),
        #[cfg(not(feature = "virtio-drivers"))]
        Driver::VirtioDrivers => Err(NOT_BUILT.into()),
    }
}
