//! The benchmarks: drivers side by side on the same device in the same boot, in turns.
//!
//! Drivers are called as their own users call them, not through the kernel's interfaces.

mod block;
mod display;
mod floor;
mod levitate_blk;
mod levitate_blk_async;
mod levitate_gpu;
mod series;
mod transport;
#[cfg(feature = "virtio-drivers")]
mod virtio_drivers_blk;
#[cfg(feature = "virtio-drivers")]
mod virtio_drivers_gpu;

use core::fmt::Write;
use core::time::Duration;

use levitate_kernel::command_line::Effort;
use levitate_virtio::DeviceType;

use crate::devices::{Devices, State};
use crate::drivers::DriverError;

/// How long anything that is measured may take; then its device is said to be stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at the device between two looks at the clock, which would be half of what is measured otherwise.
const LOOKS: u32 = 1 << 12;

type Result<T = ()> = core::result::Result<T, DriverError>;

/// Takes its driver off each device that is driven, and measures it; a line for each measurement goes to `out`.
///
/// # Errors
///
/// What the first driver that fails says, or that there is nothing to measure.
pub(crate) fn run(effort: Effort, devices: &mut Devices, out: &mut impl Write) -> Result {
    let mut measured = 0;
    for index in 0..devices.entries.len() {
        if !matches!(devices.entries[index].state, State::Driven { .. }) {
            continue;
        }
        devices.stop(index);
        let entry = &devices.entries[index];
        match entry.way.device_type() {
            DeviceType::BLOCK => block::run(effort, entry, out)?,
            DeviceType::GPU => display::run(effort, entry, out)?,
            _ => continue,
        }
        measured += 1;
    }
    match measured {
        0 => Err("there is no device to measure".into()),
        _ => Ok(()),
    }
}
