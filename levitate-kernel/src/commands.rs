//! What the shell's commands do.

mod blk;
mod gpu;
mod stats;

use core::fmt::{self, Write};

use levitate_kernel::shell::{Command, Crash, Help};
use thiserror::Error;

use crate::arch::{exceptions, power};
use crate::cases;
use crate::devices::Devices;
use crate::drivers::DriverError;

/// The exit status of a shutdown that may have lost what was written to a disk.
const STATUS_NOT_FLUSHED: u8 = 3;

/// Why a command was not, or not completely, obeyed.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    /// There is no disk of that number.
    #[error("no disk {disk}: there are {count}, numbered from 0")]
    NoDisk {
        /// The number.
        disk: usize,
        /// How many there are.
        count: usize,
    },
    /// There are no disks at all.
    #[error("no disk")]
    NoDisks,
    /// There is no display.
    #[error("no display")]
    NoDisplay,
    /// The sectors are not all on the disk.
    #[error("sectors {first} to {last} are not on a disk of {capacity_sectors} sectors")]
    OutOfRange {
        /// The first sector.
        first: u64,
        /// The last one.
        last: u64,
        /// Sectors the disk has.
        capacity_sectors: u64,
    },
    /// The rectangle is not on the display at all.
    #[error("nothing of the rectangle is on a display of {width}x{height}")]
    OffScreen {
        /// Width of the display.
        width: u32,
        /// Height of the display.
        height: u32,
    },
    /// The driver says.
    #[error("{0}")]
    Driver(DriverError),
    /// Something was not written to the serial line.
    #[error(transparent)]
    Output(#[from] fmt::Error),
}

impl From<DriverError> for CommandError {
    fn from(error: DriverError) -> Self {
        Self::Driver(error)
    }
}

/// Obeys `command`; what there is to say goes to `out`.
///
/// # Errors
///
/// [`CommandError`].
#[expect(clippy::panic, reason = "a person asked for it")]
pub(crate) fn execute(
    command: Command,
    devices: &mut Devices,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    match command {
        Command::Help => writeln!(out, "{Help}")?,
        Command::Devices => {
            for line in devices.list() {
                writeln!(out, "{line}")?;
            }
        }
        Command::Stats => stats::list(devices, out)?,
        Command::BlkInfo(disk) => blk::info(devices, disk, out)?,
        Command::BlkRead { disk, sectors } => blk::read(devices, disk, sectors, out)?,
        Command::BlkWrite {
            disk,
            sectors,
            byte,
        } => blk::write(devices, disk, sectors, byte, out)?,
        Command::BlkDiscard { disk, sectors } => blk::discard(devices, disk, sectors, out)?,
        Command::BlkZero { disk, sectors } => blk::zero(devices, disk, sectors, out)?,
        Command::BlkChecksum(disk) => blk::checksum(devices, disk, out)?,
        Command::BlkFlush(disk) => blk::flush(devices, disk, out)?,
        Command::GpuInfo => gpu::info(devices, out)?,
        Command::GpuCard => gpu::card(devices)?,
        Command::GpuFill { area, colour } => gpu::fill(devices, area, colour)?,
        Command::Selftest(suite) => drop(cases::run(suite, devices, out)?),
        Command::Crash(Crash::Panic) => panic!("so the shell was told"),
        Command::Crash(Crash::Fault) => exceptions::fault(),
        Command::Shutdown => {
            if blk::flush_all(devices, out)? {
                power::off()
            }
            power::exit(STATUS_NOT_FLUSHED)
        }
    }
    Ok(())
}
