//! The frame of a GICv2m, where devices raise shared interrupts by messages (Arm's Server Base System Architecture).

use core::ops::Range;

use levitate_hal::Mmio;
use log::info;

use super::{ControllerError, FIRST_SPECIAL};
use crate::interrupts::{Message, MessageTarget, Messages};
use crate::platform::Registers;

/// `MSI_TYPER`: the first of the interrupts, and how many they are.
const TYPE: usize = 0x008;
/// `MSI_SETSPI_NS`: the number of an interrupt, written here, raises it.
const RAISE: usize = 0x040;
/// The last register ends before this.
const LENGTH_BYTES: usize = 0x1000;

/// The first shared interrupt.
const FIRST_SHARED: u32 = 32;

/// A frame, and which of its interrupts is for which message.
#[derive(Debug)]
pub(super) struct Frame {
    /// The one register that devices write, and where it is.
    raise: Registers,
    address: usize,
    messages: Messages,
}

impl Frame {
    /// Takes the frame at `range` into use.
    ///
    /// # Errors
    ///
    /// - [`ControllerError::Registers`] if it is not where device registers are, or too short;
    /// - [`ControllerError::NoMessages`] if what it says are its interrupts are no shared ones.
    pub(super) fn new(range: &Range<usize>) -> Result<Self, ControllerError> {
        let range = super::usable(range, LENGTH_BYTES)?;
        let address = range.start + RAISE;
        let raise = Registers::new(address..address + size_of::<u32>());
        let raise = raise.ok_or(ControllerError::NoMessages)?;
        let registers = Registers::new(range).ok_or(ControllerError::NoMessages)?;
        let kind = registers.read32(TYPE);
        let first = kind >> 16 & 0x3ff;
        let end = first + (kind & 0x3ff);
        if first < FIRST_SHARED || first == end || end > FIRST_SPECIAL {
            return Err(ControllerError::NoMessages);
        }
        info!("interrupts {first}..{end} are for messages");
        Ok(Self {
            raise,
            address,
            messages: Messages::new(first..end),
        })
    }

    /// Sets an interrupt aside for `message`, unless it has one; returns it, and what raises it.
    ///
    /// # Errors
    ///
    /// [`ControllerError::NoMessages`].
    pub(super) fn set_aside(
        &mut self,
        message: Message,
    ) -> Result<(u32, MessageTarget), ControllerError> {
        let found = self.messages.find(message);
        let number = found.or_else(|| self.messages.set_aside(message));
        let number = number.ok_or(ControllerError::NoMessages)?;
        let target = MessageTarget {
            address: self.address as u64,
            data: number,
        };
        Ok((number, target))
    }

    /// Raises the interrupt `number` as a device does; says whether it is one that was set aside.
    pub(super) fn raise(&self, number: u32) -> bool {
        let is_set_aside = self.messages.message(number).is_some();
        if is_set_aside {
            self.raise.write32(0, number);
        }
        is_set_aside
    }
}
