//! What every architecture has: each item by its name, with its type.
//!
//! An architecture that lacks one, or has it otherwise, does not compile, and the compiler says which.

use core::error::Error;
use core::fmt::{Debug, Display};
use core::ops::Range;
use core::sync::atomic::AtomicU64;
use core::time::Duration;

use levitate_hal::Instant;
use static_assertions::assert_impl_all;

use super::interrupt_controller::{self, ControllerError, Description};
use super::masking::{self, Masked};
use super::memory_map::{self, MemoryMapError};
use super::uart::Uart;
use super::{clock, exceptions, machine, power, timer, vector_registers};
use crate::interrupts::{Line, MessageTarget};
use crate::machine::{Machine, MachineError};

/// Memory that is mapped when the kernel is entered; the heap's first part is taken from it.
const _: Range<usize> = super::BOOT_MEMORY;
/// Where registers may lie, and nothing else does.
const _: Range<usize> = super::DEVICE_MEMORY;
/// Where the kernel itself lies.
const _: fn() -> Range<usize> = super::image;

/// Describes the machine, by what the entry point was given.
const _: unsafe fn(usize) -> Result<Machine, MachineError> = machine::describe;

/// A counter that never goes back, usable from the first line on.
const _: fn() -> Instant = clock::now;
/// Which counter that is, and what it was measured by.
const _: fn() -> &'static str = clock::name;
/// A moment in a loop that waits.
const _: fn() = clock::relax;
/// Interrupts once, after that time.
const _: fn(Duration) = timer::set;

/// Does what the CPU forbids, to see what becomes of it.
const _: fn() -> ! = exceptions::fault;
/// Ends the machine, with a status if there is somebody to tell.
const _: fn(u8) -> ! = power::exit;
/// Switches the machine off, as its user would.
const _: fn() -> ! = power::off;

/// Maps this memory, the kernel itself and the registers, and nothing else.
const _: fn(&[Range<usize>]) -> Result<(), MemoryMapError> = memory_map::activate;
/// Maps registers that lie outside of [`super::DEVICE_MEMORY`].
const _: fn(&Range<usize>) -> Result<(), MemoryMapError> = memory_map::add_registers;
assert_impl_all!(MemoryMapError: Copy, Debug, Eq, Error);

/// Nothing is masked.
const _: Masked = Masked::NOTHING;
/// Masks interrupts; what it returns is for the next.
const _: fn() -> Masked = masking::mask;
/// Masks what was masked before.
const _: fn(Masked) = masking::restore;
/// Masks nothing any more.
const _: fn() = masking::unmask;
/// Sleeps until an interrupt is pending, called with interrupts masked.
const _: fn() = masking::wait_for_interrupt;
assert_impl_all!(Masked: Copy, Debug, Send);

/// Starts the controller of this description, with every line off.
const _: unsafe fn(&Description) -> Result<(), ControllerError> = interrupt_controller::start;
/// Switches a line on.
const _: fn(Line) -> Result<(), ControllerError> = interrupt_controller::enable;
/// Switches a line off.
const _: fn(u32) = interrupt_controller::disable;
/// Says that an interrupt has been handled.
const _: fn(u32) = interrupt_controller::end;
/// Sets an interrupt aside for a message of a PCI function: requester id, and which of its messages.
const _: fn(u16, u16) -> Result<(Line, MessageTarget), ControllerError> =
    interrupt_controller::message;
/// What it fails with where no interrupt is left, or devices cannot send messages.
const _: ControllerError = ControllerError::NoMessages;
/// Has an interrupt come as if its device had raised it, for tests.
const _: fn(u32) = interrupt_controller::make_pending;
/// A line for tests, that no device raises.
const _: Line = interrupt_controller::UNUSED_LINE;
assert_impl_all!(Description: Clone, Debug, Display, Eq);
assert_impl_all!(ControllerError: Copy, Debug, Eq, Error);

/// The serial port as it is.
const _: unsafe fn() -> Uart = Uart::new;
/// Returns whether it is there.
const _: fn(&mut Uart) -> bool = Uart::answers;
/// Switches it on.
const _: fn(&mut Uart) = Uart::enable;
/// Chooses whether it interrupts when something is received.
const _: fn(&mut Uart, bool) = Uart::enable_receive_interrupt;
/// Sends a byte; waits for room, but not for ever.
const _: fn(&mut Uart, u8) = Uart::send;
/// Takes a byte that was received.
const _: fn(&mut Uart) -> Option<u8> = Uart::receive;
/// Tells it that its interrupt has been seen.
const _: fn(&mut Uart) = Uart::acknowledge;
assert_impl_all!(Uart: Send);

/// Overwrites the vector registers, as a handler may.
const _: fn() = vector_registers::overwrite;
/// Returns whether they outlast interrupts, which the counter counts.
const _: fn(&AtomicU64) -> bool = vector_registers::outlast;
