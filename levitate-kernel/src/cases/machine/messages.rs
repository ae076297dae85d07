//! Interrupts that are raised by messages, which the kernel sends itself as far as the controller lets it.

use levitate_kernel::selftest::Outcome;

use super::{Result, ensure, wait_for_tick, wait_until};
use crate::arch::interrupt_controller::{self, ControllerError};
use crate::interrupts::{self, InterruptError};

/// Each message interrupts once, and not while its interrupt is switched off.
pub(super) fn interrupt() -> Result {
    /// The last function of the last bus, which nothing has.
    const FUNCTION: u16 = u16::MAX;
    const TIMES: u64 = 10;
    let set_aside = match interrupt_controller::message(FUNCTION, 0) {
        Err(ControllerError::NoMessages) => {
            let why = format_args!("the machine has no interrupts for messages");
            return Err(Outcome::skipped(why));
        }
        other => other?,
    };
    let again = interrupt_controller::message(FUNCTION, 0)?;
    ensure!(
        again == set_aside,
        "one message has two interrupts: {set_aside:?} and {again:?}"
    );
    let (line, _) = set_aside;
    let number = line.number;
    let (other, _) = interrupt_controller::message(FUNCTION, 1)?;
    ensure!(
        other.number != number,
        "two messages have one interrupt: {number}"
    );
    match interrupts::handle(line, || true) {
        // It has been there since the test ran before.
        Ok(()) | Err(InterruptError::Taken { .. }) => {}
        Err(error) => return Err(error.into()),
    }

    let before = interrupts::count(&[line]);
    for turn in 0..TIMES {
        interrupt_controller::make_pending(number);
        wait_until(|| interrupts::count(&[line]) > before + turn)?;
    }
    // What comes twice would come at once.
    wait_for_tick()?;
    let came = interrupts::count(&[line]) - before;
    ensure!(came == TIMES, "{TIMES} messages interrupted {came} times");

    interrupt_controller::disable(number);
    interrupt_controller::make_pending(number);
    wait_for_tick()?;
    let came = interrupts::count(&[line]) - before;
    ensure!(came == TIMES, "an interrupt that is switched off came");
    interrupt_controller::enable(line)?;
    interrupt_controller::make_pending(number);
    wait_until(|| interrupts::count(&[line]) > before + TIMES)
}
