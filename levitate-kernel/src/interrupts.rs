//! Which interrupt leads to which handler, and how often it did.

mod messages;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use log::warn;
use thiserror::Error;

use crate::arch::interrupt_controller::{self, ControllerError};
use crate::lock::Mutex;

pub(crate) use messages::{Message, MessageTarget, Messages};

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
    #[error("interrupt {number} has a handler already, and cannot be shared")]
    Taken {
        /// The line.
        number: u32,
    },
    /// The controller refused.
    #[error(transparent)]
    Controller(#[from] ControllerError),
}

/// Says whether the interrupt was for it.
type Handler = Box<dyn FnMut() -> bool + Send>;

/// How often in a row a line may interrupt for nobody before it is switched off: a device that nobody drives may hold it.
const MAX_UNCLAIMED: u32 = 1000;

struct Entry {
    line: Line,
    count: u64,
    /// How often in a row it was for none of its handlers.
    unclaimed: u32,
    /// Of several devices, if they share the line.
    handlers: Vec<Handler>,
}

static ENTRIES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// Has `handler` called whenever `line` interrupts; it runs with interrupts masked, must quiet the device,
/// and says whether the interrupt was for it.
///
/// Devices may share a line that they hold: each handler is called then.
///
/// # Errors
///
/// [`InterruptError`]; the line stays as it was.
pub(crate) fn handle(
    line: Line,
    handler: impl FnMut() -> bool + Send + 'static,
) -> Result<(), InterruptError> {
    let Line { number, trigger } = line;
    let handler: Handler = Box::new(handler);
    {
        let mut entries = ENTRIES.lock();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.line.number == number) {
            if entry.line != line || trigger == Trigger::Edge {
                return Err(InterruptError::Taken { number });
            }
            entry.handlers.push(handler);
            return Ok(());
        }
        entries.push(Entry {
            line,
            count: 0,
            unclaimed: 0,
            handlers: vec![handler],
        });
    }
    interrupt_controller::enable(line).inspect_err(|_| {
        ENTRIES.lock().retain(|entry| entry.line.number != number);
    })?;
    Ok(())
}

/// Returns how often `lines` have interrupted, all together.
pub(crate) fn count(lines: &[Line]) -> u64 {
    let entries = ENTRIES.lock();
    let counted = entries.iter().filter(|entry| lines.contains(&entry.line));
    counted.map(|entry| entry.count).sum()
}

/// Handles an interrupt that the controller delivered; called with interrupts masked.
pub(crate) fn dispatch(number: u32) {
    let is_kept = {
        let mut entries = ENTRIES.lock();
        let entry = entries.iter_mut().find(|entry| entry.line.number == number);
        entry.is_some_and(|entry| {
            entry.count += 1;
            let mut is_claimed = false;
            for handler in &mut entry.handlers {
                is_claimed |= handler();
            }
            entry.unclaimed = if is_claimed { 0 } else { entry.unclaimed + 1 };
            entry.unclaimed < MAX_UNCLAIMED
        })
    };
    interrupt_controller::end(number);
    if !is_kept {
        // It would come again at once, and for ever.
        interrupt_controller::disable(number);
        warn!("interrupt {number} is for nobody and was switched off");
    }
}
