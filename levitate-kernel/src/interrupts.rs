//! Which interrupt leads to which handler, and how often it did.

use alloc::boxed::Box;
use alloc::vec::Vec;

use log::warn;
use thiserror::Error;

use crate::arch::interrupt_controller::{self, ControllerError};
use crate::lock::Mutex;

/// How a device raises an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// It is pending while the device holds the line.
    Level,
    /// It becomes pending once each time the device raises the line.
    Edge,
}

/// One input of the interrupt controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The controller's number for it.
    pub(crate) number: u32,
    /// How it is raised.
    pub(crate) trigger: Trigger,
}

/// Why an interrupt will not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum InterruptError {
    /// The line has a handler already.
    #[error("interrupt {number} has a handler already")]
    Taken {
        /// The line.
        number: u32,
    },
    /// The controller refused.
    #[error(transparent)]
    Controller(#[from] ControllerError),
}

struct Entry {
    number: u32,
    count: u64,
    handler: Box<dyn FnMut() + Send>,
}

static ENTRIES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// Has `handler` called whenever `line` interrupts; it runs with interrupts masked and must quiet the device.
///
/// # Errors
///
/// [`InterruptError`]; the line stays off.
pub(crate) fn handle(
    line: Line,
    handler: impl FnMut() + Send + 'static,
) -> Result<(), InterruptError> {
    let Line { number, .. } = line;
    let entry = Entry {
        number,
        count: 0,
        handler: Box::new(handler),
    };
    {
        let mut entries = ENTRIES.lock();
        if entries.iter().any(|entry| entry.number == number) {
            return Err(InterruptError::Taken { number });
        }
        entries.push(entry);
    }
    interrupt_controller::enable(line).inspect_err(|_| {
        ENTRIES.lock().retain(|entry| entry.number != number);
    })?;
    Ok(())
}

/// Returns how often the line numbered `number` has interrupted.
pub(crate) fn count(number: u32) -> u64 {
    let entries = ENTRIES.lock();
    let entry = entries.iter().find(|entry| entry.number == number);
    entry.map_or(0, |entry| entry.count)
}

/// Handles an interrupt that the controller delivered; called with interrupts masked.
pub(crate) fn dispatch(number: u32) {
    let is_handled = {
        let mut entries = ENTRIES.lock();
        let entry = entries.iter_mut().find(|entry| entry.number == number);
        entry.map(|entry| {
            entry.count += 1;
            (entry.handler)();
        })
    };
    interrupt_controller::end(number);
    if is_handled.is_none() {
        // It would come again at once, and for ever.
        interrupt_controller::disable(number);
        warn!("interrupt {number} has no handler and was switched off");
    }
}
