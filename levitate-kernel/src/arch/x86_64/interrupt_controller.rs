//! The local APIC of this CPU, and the I/O APICs that bring it the lines of the devices.
//!
//! An interrupt's number and its vector differ by a constant. The numbers begin with the inputs of the I/O APICs; those from
//! [`FIRST_LOCAL`] on are this CPU's own; those between are for messages, which devices send to the local APIC.

use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;
use x86_64::instructions::port::Port;

use super::apic::{LocalApic, SPURIOUS_VECTOR};
use super::exceptions::EXCEPTIONS;
use super::io_apic::{self, IoApics};
use crate::interrupts::{Line, Message, MessageTarget, Messages, Trigger};
use crate::lock::Mutex;
use crate::platform::Registers;

/// Numbers from here on have no input of an I/O APIC, and are for no message.
const FIRST_LOCAL: u32 = 192;
/// There are fewer numbers than this.
const NUMBERS: usize = 256;
/// The local APIC's timer.
pub(super) const TIMER: Line = Line {
    number: FIRST_LOCAL,
    trigger: Trigger::Edge,
};
/// An interrupt that nothing raises but [`make_pending`].
pub(crate) const UNUSED_LINE: Line = Line {
    number: FIRST_LOCAL + 1,
    trigger: Trigger::Edge,
};

/// What was asked of the controller and did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum ControllerError {
    /// A part of it is not where device registers are.
    #[error("the interrupt controller's registers {start:#x}..{end:#x} cannot be used")]
    Registers {
        /// Where the part begins.
        start: usize,
        /// Where it ends.
        end: usize,
    },
    /// It was not started.
    #[error("the interrupt controller was not started")]
    NotStarted,
    /// There is no such line.
    #[error("interrupt {number} cannot be switched on")]
    Line {
        /// The line.
        number: u32,
    },
    /// Every interrupt for messages is set aside.
    #[error("no message interrupt is left")]
    NoMessages,
}

/// The interrupt controller the machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// Registers of this CPU's local APIC.
    pub(super) local: Range<usize>,
    /// The I/O APICs.
    pub(super) io: io_apic::Description,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "local APIC and {} I/O APIC", self.io.parts.len())
    }
}

struct Controller {
    local: LocalApic,
    io: IoApics,
    messages: Messages,
}

static CONTROLLER: Mutex<Option<Controller>> = Mutex::new(None);

/// What is switched off although no register can do that: it is not handled if it comes.
static IS_OFF: [AtomicBool; NUMBERS] = [const { AtomicBool::new(false) }; NUMBERS];

/// Masks every line of the two 8259s, whose vectors would be exceptions; they hear of every interrupt too.
pub(super) fn silence_legacy() {
    for data in [0x21, 0xa1] {
        // SAFETY: the port is the mask of an 8259; where there is none, nothing is.
        unsafe { Port::<u8>::new(data).write(0xff) };
    }
}

/// Starts the controller, with every line off.
///
/// # Errors
///
/// [`ControllerError`] if its registers are not usable.
///
/// # Safety
///
/// The ranges are the registers of those, which nothing else uses; it is called once.
pub(crate) unsafe fn start(description: &Description) -> Result<(), ControllerError> {
    let refused = |Range { start, end }| ControllerError::Registers { start, end };
    let local = Registers::new(description.local.clone());
    let local = local.ok_or_else(|| refused(description.local.clone()))?;
    let io = IoApics::start(&description.io, FIRST_LOCAL).map_err(refused)?;
    let local = LocalApic::start(local);
    let messages = Messages::new(io.end()..FIRST_LOCAL);
    *CONTROLLER.lock() = Some(Controller {
        local,
        io,
        messages,
    });
    Ok(())
}

/// Switches a line on.
///
/// # Errors
///
/// [`ControllerError`]; the line stays off.
pub(crate) fn enable(line: Line) -> Result<(), ControllerError> {
    let Line { number, trigger } = line;
    let refused = ControllerError::Line { number };
    let vector = vector_of(number).ok_or(refused)?;
    let controller = CONTROLLER.lock();
    let controller = controller.as_ref().ok_or(ControllerError::NotStarted)?;
    if controller.io.enable(number, vector, trigger) {
        Ok(())
    } else if number >= FIRST_LOCAL || controller.messages.message(number).is_some() {
        // Whoever raises it is told the vector, and that is all.
        set_off(number, false);
        Ok(())
    } else {
        Err(refused)
    }
}

/// Sets an interrupt aside for message `event` of the PCI function with this requester id: bus, device and function number.
///
/// The same message has the same interrupt for ever.
/// It comes once the line is [switched on](enable) and the function writes what the target says.
///
/// # Errors
///
/// [`ControllerError::NoMessages`], and [`ControllerError::NotStarted`].
pub(crate) fn message(
    requester: u16,
    event: u16,
) -> Result<(Line, MessageTarget), ControllerError> {
    let message = Message { requester, event };
    let controller = &mut *CONTROLLER.lock();
    let controller = controller.as_mut().ok_or(ControllerError::NotStarted)?;
    let messages = &mut controller.messages;
    let found = messages.find(message);
    let number = found.or_else(|| messages.set_aside(message));
    let number = number.ok_or(ControllerError::NoMessages)?;
    let vector = vector_of(number).ok_or(ControllerError::NoMessages)?;
    let line = Line {
        number,
        trigger: Trigger::Edge,
    };
    Ok((line, controller.local.message(vector)))
}

/// Makes a line pending, as if its device had raised it.
///
/// A message is not sent: the local APIC takes none from a CPU, only what a message leads to.
pub(crate) fn make_pending(number: u32) {
    if let (Some(vector), Some(controller)) = (vector_of(number), &*CONTROLLER.lock()) {
        controller.local.interrupt_itself(vector);
    }
}

/// Switches a line off.
pub(crate) fn disable(number: u32) {
    if let Some(controller) = &*CONTROLLER.lock() {
        if controller.io.disable(number) {
            return;
        }
        if number == TIMER.number {
            controller.local.mask_timer();
        }
        set_off(number, true);
    }
}

fn set_off(number: u32, is_off: bool) {
    if let Some(off) = IS_OFF.get(number as usize) {
        // Relaxed: only this CPU reads it.
        off.store(is_off, Ordering::Relaxed);
    }
}

/// Says that the interrupt has been handled.
pub(crate) fn end(_number: u32) {
    if let Some(controller) = &*CONTROLLER.lock() {
        controller.local.end();
    }
}

/// Returns the number of the interrupt the CPU took, which has to be [ended](end); `None` if there is nothing to handle.
pub(super) fn taken(vector: u8) -> Option<u32> {
    let number = vector.checked_sub(EXCEPTIONS)?;
    if vector == SPURIOUS_VECTOR {
        return None;
    }
    let off = IS_OFF.get(usize::from(number));
    // Relaxed: only this CPU writes it.
    if off.is_some_and(|off| off.load(Ordering::Relaxed)) {
        end(u32::from(number));
        return None;
    }
    Some(u32::from(number))
}

/// Returns the vector of the interrupt with this number, if it has one.
pub(super) fn vector_of(number: u32) -> Option<u8> {
    let vector = u8::try_from(number).ok()?.checked_add(EXCEPTIONS)?;
    (vector != SPURIOUS_VECTOR).then_some(vector)
}

/// Calls `use_apic` with the local APIC, once there is one.
pub(super) fn with_local<R>(use_apic: impl FnOnce(&LocalApic) -> R) -> Option<R> {
    let controller = CONTROLLER.lock();
    controller
        .as_ref()
        .map(|controller| use_apic(&controller.local))
}
