//! The GIC, version 2 or 3, whichever the device tree names.

pub(super) mod its;
mod v2;
mod v2m;
mod v3;

use alloc::boxed::Box;
use core::fmt;
use core::ops::Range;

use arm_gic::gicv2::GicV2;
use arm_gic::gicv3::{GicCpuInterface, GicV3};
use arm_gic::{IntId, InterruptGroup};
use levitate_hal::Mmio;
use log::warn;
use thiserror::Error;

use super::DEVICE_MEMORY;
use crate::interrupts::{Line, Message, MessageTarget, Trigger};
use crate::lock::Mutex;
use crate::platform::Registers;

/// The kernel runs on the first CPU alone.
const CPU: usize = 0;
/// Lets interrupts of every priority through.
const ALL_PRIORITIES: u8 = 0xff;
/// A shared line that no device of `virt` has.
pub(crate) const UNUSED_LINE: Line = Line {
    number: 200,
    trigger: Trigger::Edge,
};
/// Numbers from here on are not interrupts but say why there is none, up to those of messages to an ITS.
const FIRST_SPECIAL: u32 = 1020;

/// What was asked of the controller and did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum ControllerError {
    /// A part of it is not where device registers are, or too short.
    #[error("the interrupt controller's registers {start:#x}..{end:#x} cannot be used")]
    Registers {
        /// Where the part begins.
        start: usize,
        /// Where it ends.
        end: usize,
    },
    /// Its redistributors could not be made out.
    #[error("the interrupt controller's redistributors could not be made out")]
    Redistributors,
    /// It was not started.
    #[error("the interrupt controller was not started")]
    NotStarted,
    /// There is no such line, or it cannot be switched on.
    #[error("interrupt {number} cannot be switched on")]
    Line {
        /// The line.
        number: u32,
    },
    /// Nothing turns messages into interrupts, or every interrupt for messages is set aside.
    #[error("no message interrupt is left")]
    NoMessages,
    /// What turns messages into interrupts does not work.
    #[error(transparent)]
    Its(#[from] its::ItsError),
}

/// The interrupt controller the machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Description {
    /// Arm's GIC, version 2.
    GicV2 {
        /// The part all CPUs share.
        distributor: Range<usize>,
        /// The part that is each CPU's own.
        cpu_interface: Range<usize>,
        /// The frame of a GICv2m, where devices send messages.
        message_frame: Option<Range<usize>>,
    },
    /// Arm's GIC, version 3 or 4, with a CPU interface of system registers.
    GicV3 {
        /// The part all CPUs share.
        distributor: Range<usize>,
        /// A pair of frames for each CPU.
        redistributors: Range<usize>,
        /// What turns the messages of devices into interrupts.
        its: Option<its::Description>,
    },
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GicV2 { .. } => "GICv2",
            Self::GicV3 { .. } => "GICv3",
        })
    }
}

enum Gic {
    V2(GicV2<'static>),
    V3(GicV3<'static>),
}

static GIC: Mutex<Option<Gic>> = Mutex::new(None);

/// Who turns the messages of devices into interrupts.
enum MessageController {
    Frame(v2m::Frame),
    Its(Box<its::Its>),
}

static MESSAGES: Mutex<Option<MessageController>> = Mutex::new(None);

/// Where the distributor is, which both versions have.
static DISTRIBUTOR: Mutex<Option<Registers>> = Mutex::new(None);

/// Starts the controller, with every line off.
///
/// # Errors
///
/// [`ControllerError`] if its registers are not usable.
///
/// # Safety
///
/// The ranges are the registers of a controller of that version, which nothing else uses; it is called once.
pub(crate) unsafe fn start(description: &Description) -> Result<(), ControllerError> {
    let gic = match description {
        Description::GicV2 {
            distributor,
            cpu_interface,
            message_frame,
        } => {
            // SAFETY: the caller ensures the same.
            let gic = unsafe { v2::start(distributor, cpu_interface) }?;
            if let Some(frame) = message_frame {
                take_messages(v2m::Frame::new(frame).map(MessageController::Frame));
            }
            Gic::V2(gic)
        }
        Description::GicV3 {
            distributor,
            redistributors,
            its,
        } => {
            // SAFETY: the caller ensures the same.
            let gic = unsafe { v3::start(distributor, redistributors) }?;
            if let Some(its) = its {
                let its = its::Its::start(its, gic.typer(), redistributors);
                take_messages(its.map(|its| MessageController::Its(Box::new(its))));
            }
            Gic::V3(gic)
        }
    };
    let (Description::GicV2 { distributor, .. } | Description::GicV3 { distributor, .. }) =
        description;
    *DISTRIBUTOR.lock() = Registers::new(distributor.clone());
    *GIC.lock() = Some(gic);
    Ok(())
}

/// Uses `messages`; without them the machine is as one that has none.
fn take_messages(messages: Result<MessageController, ControllerError>) {
    match messages {
        Ok(messages) => *MESSAGES.lock() = Some(messages),
        Err(error) => warn!("no interrupts by messages: {error}"),
    }
}

/// Switches a line on.
///
/// # Errors
///
/// [`ControllerError`]; the line stays off.
pub(crate) fn enable(line: Line) -> Result<(), ControllerError> {
    let Line { number, trigger } = line;
    let refused = ControllerError::Line { number };
    if number >= its::FIRST_LPI {
        return switch_message(number, true);
    }
    let id = IntId::try_from(number).map_err(|_| refused)?;
    if number >= FIRST_SPECIAL {
        return Err(refused);
    }
    let trigger = match trigger {
        Trigger::Level => arm_gic::Trigger::Level,
        Trigger::Edge => arm_gic::Trigger::Edge,
    };
    match GIC.lock().as_mut().ok_or(ControllerError::NotStarted)? {
        Gic::V2(gic) => {
            if !id.is_private() {
                gic.set_trigger(id, trigger);
            }
            gic.enable_interrupt(id, true).map_err(|_| refused)
        }
        Gic::V3(gic) => {
            if !id.is_private() {
                gic.set_trigger(id, None, trigger).map_err(|_| refused)?;
            }
            gic.enable_interrupt(id, Some(CPU), true)
                .map_err(|_| refused)
        }
    }
}

/// Switches an interrupt on or off that only an ITS raises.
fn switch_message(number: u32, is_on: bool) -> Result<(), ControllerError> {
    match &mut *MESSAGES.lock() {
        Some(MessageController::Its(its)) => its.switch(number, is_on),
        Some(MessageController::Frame(_)) | None => Err(ControllerError::Line { number }),
    }
}

/// Sets an interrupt aside for message `event` of the PCI function with this requester id: bus, device and function number.
///
/// The same message has the same interrupt for ever.
/// It comes once the line is [switched on](enable) and the function writes what the target says.
///
/// # Errors
///
/// [`ControllerError::NoMessages`], and [`ControllerError::Its`].
pub(crate) fn message(
    requester: u16,
    event: u16,
) -> Result<(Line, MessageTarget), ControllerError> {
    let message = Message { requester, event };
    let (number, target) = match &mut *MESSAGES.lock() {
        Some(MessageController::Frame(frame)) => frame.set_aside(message),
        Some(MessageController::Its(its)) => its.set_aside(message),
        None => Err(ControllerError::NoMessages),
    }?;
    let line = Line {
        number,
        trigger: Trigger::Edge,
    };
    Ok((line, target))
}

/// Makes a shared line pending, as if its device had raised it; or has the message sent that the interrupt is set aside for.
pub(crate) fn make_pending(number: u32) {
    /// `GICD_ISPENDR`: a bit for each line.
    const SET_PENDING: usize = 0x200;
    let is_raised = match &mut *MESSAGES.lock() {
        Some(MessageController::Frame(frame)) => frame.raise(number),
        Some(MessageController::Its(its)) => its.raise(number),
        None => false,
    };
    if is_raised || number >= FIRST_SPECIAL {
        return;
    }
    let number = number as usize;
    if let Some(distributor) = &*DISTRIBUTOR.lock() {
        distributor.write32(SET_PENDING + number / 32 * 4, 1 << (number % 32));
    }
}

/// Switches a line off.
pub(crate) fn disable(number: u32) {
    if number >= its::FIRST_LPI {
        // What was never set aside is off.
        let _ = switch_message(number, false);
        return;
    }
    let Ok(id) = IntId::try_from(number) else {
        return;
    };
    // A line that was acknowledged can be switched off.
    match GIC.lock().as_mut() {
        Some(Gic::V2(gic)) => drop(gic.enable_interrupt(id, false)),
        Some(Gic::V3(gic)) => drop(gic.enable_interrupt(id, Some(CPU), false)),
        None => {}
    }
}

/// Takes the most urgent pending interrupt; it has to be [ended](end).
pub(super) fn acknowledge() -> Option<u32> {
    let id = match GIC.lock().as_mut()? {
        // Without security extensions all are in group 0, with them the register shows group 1 to a kernel: the same register.
        Gic::V2(gic) => gic.get_and_acknowledge_interrupt(InterruptGroup::Group0),
        Gic::V3(_) => GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group1),
    };
    id.map(u32::from)
        .filter(|number| !(FIRST_SPECIAL..its::FIRST_LPI).contains(number))
}

/// Says that the interrupt has been handled.
pub(crate) fn end(number: u32) {
    let Ok(id) = IntId::try_from(number) else {
        return;
    };
    match GIC.lock().as_mut() {
        Some(Gic::V2(gic)) => gic.end_interrupt(id, InterruptGroup::Group0),
        Some(Gic::V3(_)) => GicCpuInterface::end_interrupt(id, InterruptGroup::Group1),
        None => {}
    }
}

/// Returns `part` if it lies where device registers are mapped and has at least `length` bytes.
fn usable(part: &Range<usize>, length: usize) -> Result<Range<usize>, ControllerError> {
    let is_device = DEVICE_MEMORY.start <= part.start && part.end <= DEVICE_MEMORY.end;
    if is_device && part.len() >= length && part.start.is_multiple_of(0x1000) {
        Ok(part.clone())
    } else {
        Err(ControllerError::Registers {
            start: part.start,
            end: part.end,
        })
    }
}
