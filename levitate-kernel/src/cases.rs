//! The self-tests that need the machine.
#![allow(
    clippy::result_large_err,
    reason = "an outcome has its reason inside, for it must not need the heap; there is one for each test"
)]

mod block;
mod causes;
mod display;
mod machine;
mod queue_reset;
mod vector_registers;

use core::fmt::{self, Write};
use core::time::Duration;

use levitate_hal::Deadline;
use levitate_kernel::command_line::Suite;
use levitate_kernel::selftest::{Outcome, Run, Totals};

use crate::arch::masking;
use crate::devices::{Devices, Entry, State};
use crate::platform::KernelClock;

/// What a case is written as: `?` makes any error a failure.
type Result<T = ()> = core::result::Result<T, Outcome>;

/// Runs a suite on `devices`; a line for each test and the totals go to `out`.
///
/// # Errors
///
/// That of `out`.
pub(crate) fn run(
    suite: Suite,
    devices: &mut Devices,
    out: &mut impl Write,
) -> core::result::Result<Totals, fmt::Error> {
    let mut run = Run::new();
    match suite {
        Suite::All => {
            run.cases(machine::CASES, &mut (), out)?;
            block::run(devices, &mut run, out)?;
            display::run(devices, &mut run, out)?;
        }
        Suite::Causes => causes::run(devices, &mut run, out)?,
        Suite::QueueReset => queue_reset::run(devices, &mut run, out)?,
    }
    run.finish(out)
}

/// Fails the case unless `condition` holds.
macro_rules! ensure {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err(levitate_kernel::selftest::Outcome::failed(format_args!($($why)+)));
        }
    };
}
use ensure;

/// Long enough for an interrupt on a machine that is very busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits, asleep, until `condition` holds.
fn wait_until(mut condition: impl FnMut() -> bool) -> Result {
    let deadline = Deadline::after(&KernelClock, PATIENCE);
    while !condition() {
        ensure!(
            !deadline.is_missed(&KernelClock),
            "nothing within {PATIENCE:?}"
        );
        let before = masking::mask();
        // Masked, so that an interrupt that comes after this look ends the wait; the timer ends it in any case.
        if !condition() {
            masking::wait_for_interrupt();
        }
        masking::restore(before);
    }
    Ok(())
}

/// Checks that a device which was given to its driver again is served by it.
fn is_driven(entry: &Entry) -> Result {
    ensure!(
        matches!(entry.state, State::Driven { .. }),
        "{}",
        entry.state
    );
    Ok(())
}

/// Makes a failure of what a driver said.
fn driver(error: crate::drivers::DriverError) -> Outcome {
    Outcome::failed(format_args!("{error}"))
}
