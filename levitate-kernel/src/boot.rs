//! The order in which the kernel comes up.

use levitate_kernel::command_line::{self, Options};
use log::{LevelFilter, error, info, warn};
use thiserror::Error;

use crate::arch::interrupt_controller::{self, ControllerError};
use crate::arch::{masking, power, uart};
use crate::device_tree::{DeviceTree, DeviceTreeError, InterruptController};
use crate::devices::Devices;
use crate::interrupts::InterruptError;
use crate::memory::MemoryError;
use crate::{cases, logger, memory, screen, serial, session, timer};

/// The exit status of self-tests of which one failed, or whose outcome could not be told.
const STATUS_TESTS_FAILED: u8 = 1;
/// The exit status of a kernel that could not come up.
const STATUS_BOOT_FAILED: u8 = 2;

/// Brings the kernel up; called by the entry point with the first GiB of memory mapped, caches on and interrupts masked.
pub(crate) fn start(device_tree: usize) -> ! {
    serial::start();
    logger::start();
    screen::set_title(format_args!("Levitate {}", env!("CARGO_PKG_VERSION")));
    match bring_up(device_tree) {
        Ok((options, mut devices)) => run(&options, &mut devices),
        Err(error) => {
            error!("{error}");
            power::exit(STATUS_BOOT_FAILED)
        }
    }
}

/// Why the kernel did not come up; it has to be told without a heap.
#[derive(Debug, Error)]
enum BootError {
    #[error(transparent)]
    DeviceTree(#[from] DeviceTreeError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    InterruptController(#[from] ControllerError),
    #[error(transparent)]
    Interrupt(#[from] InterruptError),
}

fn bring_up(device_tree: usize) -> Result<(Options, Devices), BootError> {
    // SAFETY: the address is QEMU's; it lies in the first GiB of memory, which is mapped, and nobody writes there:
    // the tree is taken out of the free pages.
    let tree = unsafe { DeviceTree::at(device_tree) }?;
    let options = read_command_line(&tree);
    info!("levitate {}", env!("CARGO_PKG_VERSION"));
    info!("device tree at {device_tree:#x}");
    info!("1 CPU in use of {}", tree.cpus());
    // SAFETY: QEMU describes its own machine, and nothing ran on it before; called once.
    unsafe { memory::start(&tree) }?;

    let controller = tree.interrupt_controller()?;
    // SAFETY: the registers are the ones the device tree names; called once.
    unsafe { interrupt_controller::start(&controller) }?;
    info!(
        "interrupt controller {}",
        match controller {
            InterruptController::GicV2 { .. } => "GICv2",
            InterruptController::GicV3 { .. } => "GICv3",
        }
    );
    timer::start(tree.timer_interrupt()?)?;
    let port = tree.uart()?;
    if port.registers.start != uart::BASE {
        let named = port.registers.start;
        warn!("the serial port is at {:#x}, not at {named:#x}", uart::BASE);
    }
    serial::enable_receiving(port.interrupt)?;
    masking::unmask();

    let mut devices = Devices::discover(&tree, &options);
    devices.update_screen();
    Ok((options, devices))
}

fn read_command_line(tree: &DeviceTree) -> Options {
    // A word that is not understood is told whatever the level is: it may have been meant to be that.
    log::set_max_level(LevelFilter::Warn);
    let options = command_line::parse(tree.command_line(), |word| warn!("{word}"));
    log::set_max_level(options.log);
    options
}

fn run(options: &Options, devices: &mut Devices) -> ! {
    let Some(suite) = options.selftest else {
        session::run(devices)
    };
    match cases::run(suite, devices, &mut serial::writer()) {
        Ok(totals) => power::exit(u8::try_from(totals.exit_status()).unwrap_or(u8::MAX)),
        Err(error) => {
            error!("{error}");
            power::exit(STATUS_TESTS_FAILED)
        }
    }
}
