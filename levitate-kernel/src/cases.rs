//! The self-tests that need the machine.

mod block;
mod causes;
mod display;
mod machine;

use core::fmt::{self, Write};

use levitate_kernel::command_line::Suite;
use levitate_kernel::selftest::{Outcome, Run, Totals};

use crate::devices::Devices;

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

/// Makes a failure of what a driver said.
fn driver(error: crate::drivers::DriverError) -> Outcome {
    Outcome::failed(format_args!("{error}"))
}
