//! The interrupt translation service of a GICv3, which makes interrupts of messages by device and event ([`Its`]).

mod commands;
mod kind;
mod lpi;
mod table;

use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use arm_gic::gicv3::registers::Typer;
use levitate_hal::{Deadline, DmaError, Mmio};
use log::info;
use thiserror::Error;

use self::commands::{Command, Commands};
use self::kind::Kind;
pub(super) use self::lpi::FIRST_LPI;
use self::lpi::Lpis;
use self::table::Table;
use super::ControllerError;
use crate::arch::device_tree::pci::DeviceIds;
use crate::interrupts::{Message, MessageTarget, Messages};
use crate::platform::{KernelClock, Registers};

/// `GITS_CTLR`, and `GITS_TRANSLATER`, which only devices write.
const CONTROL: usize = 0x000;
const TRANSLATE: usize = 0x1_0040;
/// Its registers end before this.
const LENGTH_BYTES: usize = 0x2_0000;

/// In the control register: messages are translated; nothing is under way.
const ENABLE: u32 = 1 << 0;
const QUIET: u32 = 1 << 31;

/// In many registers and commands: what they name is to be used.
const VALID: u64 = 1 << 63;
/// In the base registers of tables and of commands: accesses allocate in caches, and write back.
const WRITE_BACK: u64 = 0b111 << 59;

/// Bits of an event's number, as long as the ITS has as many; more would not fit into a page.
const EVENT_BITS: u32 = 8;
/// The alignment of a table of events.
const EVENTS_ALIGN_BYTES: usize = 256;

/// How long it may take the ITS to become quiet.
const PATIENCE: Duration = Duration::from_millis(100);

/// What an ITS does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum ItsError {
    /// The controller has none of the interrupts that it could raise.
    #[error("the GIC has no locality-specific interrupts")]
    NoLpis,
    /// Somebody used it before and did not stop it.
    #[error("the ITS or its interrupts are in use")]
    InUse,
    /// It does not read memory through the CPU's caches.
    #[error("the ITS does not see memory as the CPU does")]
    NotCoherent,
    /// It stopped, or does not answer.
    #[error("the ITS does not carry out its commands")]
    Stuck,
    /// A function is not known to it, or a message has too high a number.
    #[error("the ITS has no place for message {event} of PCI function {requester:#06x}")]
    NoPlace {
        /// The function's requester id.
        requester: u16,
        /// The message.
        event: u16,
    },
    /// There is no memory for a table.
    #[error(transparent)]
    Memory(#[from] DmaError),
}

/// An ITS, as the machine describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// Its registers.
    pub(crate) registers: Range<usize>,
    /// By which ids it knows the functions of PCI.
    pub(crate) device_ids: DeviceIds,
}

/// An ITS that raises locality-specific interrupts of this CPU.
#[derive(Debug)]
pub(super) struct Its {
    /// Where devices write, as they address it.
    translate: u64,
    kind: Kind,
    device_ids: DeviceIds,
    /// Device ids below this have a place in its table.
    devices_end: u64,
    /// The redistributor of this CPU, as commands have it.
    target: u64,
    commands: Commands,
    lpis: Lpis,
    messages: Messages,
    /// Devices that have a table of events.
    mapped: Vec<u32>,
}

impl Its {
    /// Starts it, for interrupts of the CPU that has the redistributor; `distributor` is what its type register says.
    ///
    /// # Errors
    ///
    /// [`ControllerError::Registers`] and [`ItsError`].
    pub(super) fn start(
        description: &Description,
        distributor: Typer,
        redistributor: &Range<usize>,
    ) -> Result<Self, ControllerError> {
        let range = super::usable(&description.registers, LENGTH_BYTES)?;
        let translate = (range.start + TRANSLATE) as u64;
        let missing = ControllerError::Its(ItsError::NoLpis);
        let registers = Registers::new(range).ok_or(missing)?;
        let redistributor_start = redistributor.start as u64;
        let redistributor = Registers::new(redistributor.clone()).ok_or(missing)?;
        let numbers = Lpis::numbers(distributor.num_lpis());
        if !distributor.lpis_supported() || numbers.is_empty() {
            return Err(missing);
        }

        stop(&registers)?;
        let kind = Kind::read(&registers);
        let devices_end = table::give_all(&registers, kind.devices())?;
        let mut commands = Commands::new(&registers)?;
        let lpis = Lpis::start(&redistributor)?;
        registers.write32(CONTROL, ENABLE);
        let target = if kind.names_by_address() {
            redistributor_start
        } else {
            Lpis::processor_number(&redistributor) << 16
        };
        commands.carry_out(&[
            Command::map_collection(target),
            Command::synchronize(target),
        ])?;
        let Range { start, end } = numbers;
        info!("interrupts {start}..{end} are for messages");
        Ok(Self {
            translate,
            kind,
            device_ids: description.device_ids.clone(),
            devices_end,
            target,
            commands,
            lpis,
            messages: Messages::new(numbers),
            mapped: Vec::new(),
        })
    }

    /// Sets an interrupt aside for `message`, unless it has one; returns it, and what raises it.
    ///
    /// # Errors
    ///
    /// [`ControllerError::NoMessages`] and [`ItsError`].
    pub(super) fn set_aside(
        &mut self,
        message: Message,
    ) -> Result<(u32, MessageTarget), ControllerError> {
        let target = MessageTarget {
            address: self.translate,
            data: u32::from(message.event),
        };
        if let Some(number) = self.messages.find(message) {
            return Ok((number, target));
        }
        let event_bits = self.kind.event_bits().min(EVENT_BITS);
        let device = self.device(message)?;
        if message.event >> event_bits != 0 {
            return Err(no_place(message).into());
        }
        let number = self.messages.first_free();
        let number = number.ok_or(ControllerError::NoMessages)?;
        if !self.mapped.contains(&device) {
            let size_bytes = self.kind.event_entry_bytes() << event_bits;
            let events = Table::new(size_bytes, EVENTS_ALIGN_BYTES)?;
            let map = Command::map_device(device, &events, event_bits);
            self.commands.carry_out(&[map])?;
            self.mapped.push(device);
        }
        let map = Command::map_event(device, message.event, number);
        self.commands
            .carry_out(&[map, Command::synchronize(self.target)])?;
        self.messages.set_aside(message);
        Ok((number, target))
    }

    /// Switches an interrupt that was set aside on or off.
    ///
    /// # Errors
    ///
    /// [`ControllerError::Line`] if it was not, and [`ItsError`].
    pub(super) fn switch(&mut self, number: u32, is_on: bool) -> Result<(), ControllerError> {
        let message = self.messages.message(number);
        let message = message.ok_or(ControllerError::Line { number })?;
        let device = self.device(message)?;
        self.lpis.set(number, is_on);
        self.commands.carry_out(&[
            Command::invalidate(device, message.event),
            Command::synchronize(self.target),
        ])?;
        Ok(())
    }

    /// Raises an interrupt as if its message had come; says whether it did.
    pub(super) fn raise(&mut self, number: u32) -> bool {
        let Some(message) = self.messages.message(number) else {
            return false;
        };
        let raised = self.device(message).and_then(|device| {
            let raise = Command::raise(device, message.event);
            self.commands.carry_out(&[raise])
        });
        raised.is_ok()
    }

    /// Returns the id of the device that sends the message.
    fn device(&self, message: Message) -> Result<u32, ItsError> {
        let device = self.device_ids.find(message.requester);
        device
            .filter(|device| u64::from(*device) < self.devices_end)
            .ok_or(no_place(message))
    }
}

/// Switches an ITS off and waits until nothing is under way in it.
///
/// # Errors
///
/// [`ItsError::InUse`].
fn stop(registers: &Registers) -> Result<(), ItsError> {
    registers.write32(CONTROL, 0);
    let deadline = Deadline::after(&KernelClock, PATIENCE);
    let quiet = deadline.poll(&KernelClock, || {
        (registers.read32(CONTROL) & QUIET != 0).then_some(())
    });
    quiet.ok_or(ItsError::InUse)
}

const fn no_place(message: Message) -> ItsError {
    let Message { requester, event } = message;
    ItsError::NoPlace { requester, event }
}
