//! The order in which the kernel comes up.

use levitate_kernel::command_line::{self, Options};
use log::{LevelFilter, error, info, warn};
use thiserror::Error;

use crate::arch::interrupt_controller::{self, ControllerError};
use crate::arch::{clock, machine, masking, power};
use crate::devices::Devices;
use crate::interrupts::InterruptError;
use crate::machine::{Machine, MachineError};
use crate::memory::MemoryError;
use crate::{benchmarks, cases, logger, memory, screen, serial, session, timer};

/// The exit status of self-tests of which one failed, or whose outcome could not be told, and of benchmarks that did not end.
const STATUS_TESTS_FAILED: u8 = 1;
/// The exit status of a kernel that could not come up.
const STATUS_BOOT_FAILED: u8 = 2;

/// Brings the kernel up; called by the entry point with [`crate::arch::BOOT_MEMORY`] mapped, caches on
/// and interrupts masked; `boot_argument` is what it was given to find the description of the machine.
pub(crate) fn start(boot_argument: usize) -> ! {
    serial::start();
    logger::start();
    screen::set_title(format_args!("Levitate {}", env!("CARGO_PKG_VERSION")));
    match bring_up(boot_argument) {
        Ok((options, devices)) => run(&options, devices),
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
    Machine(#[from] MachineError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    InterruptController(#[from] ControllerError),
    #[error(transparent)]
    Interrupt(#[from] InterruptError),
}

fn bring_up(boot_argument: usize) -> Result<(Options, Devices), BootError> {
    // SAFETY: the argument is the entry point's, passed on unchanged, and nobody has written to memory since.
    let machine = unsafe { machine::describe(boot_argument) }?;
    let options = read_command_line(&machine);
    info!("levitate {}", env!("CARGO_PKG_VERSION"));
    info!("{}", machine.source);
    info!("1 CPU in use of {}", machine.cpus);
    info!("clock: {}", clock::name());
    // SAFETY: the machine describes itself, and nothing ran on it before; called once.
    unsafe { memory::start(&machine) }?;

    // SAFETY: the registers are the ones the machine names; called once.
    unsafe { interrupt_controller::start(&machine.interrupt_controller) }?;
    info!("interrupt controller {}", machine.interrupt_controller);
    timer::start(machine.timer)?;
    serial::enable_receiving(machine.serial)?;
    masking::unmask();

    let mut devices = Devices::discover(machine.virtio_mmio, machine.pci.as_ref(), &options);
    devices.update_screen();
    Ok((options, devices))
}

fn read_command_line(machine: &Machine) -> Options {
    // A word that is not understood is told whatever the level is: it may have been meant to be that.
    log::set_max_level(LevelFilter::Warn);
    let options = command_line::parse(machine.command_line, |word| warn!("{word}"));
    log::set_max_level(options.log);
    options
}

fn run(options: &Options, mut devices: Devices) -> ! {
    if options.selftest.is_none() && options.bench.is_none() {
        session::run(devices)
    }
    let mut status = 0;
    if let Some(suite) = options.selftest {
        status = match cases::run(suite, &mut devices, &mut serial::writer()) {
            Ok(totals) => u8::try_from(totals.exit_status()).unwrap_or(u8::MAX),
            Err(error) => {
                error!("{error}");
                STATUS_TESTS_FAILED
            }
        };
    }
    if let Some(effort) = options.bench
        && let Err(error) = benchmarks::run(effort, &mut devices, &mut serial::writer())
    {
        error!("the benchmarks ended: {error}");
        status = STATUS_TESTS_FAILED;
    }
    power::exit(status)
}
