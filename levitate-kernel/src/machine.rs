//! What the machine has, whoever described it: [`Machine`].
//!
//! Each architecture fills one in, from a device tree or whatever its firmware leaves behind; the rest of the kernel reads it.

use core::fmt;
use core::ops::{Range, RangeInclusive};

use heapless::Vec;
use thiserror::Error;

use crate::arch::interrupt_controller::Description as InterruptController;
use crate::interrupts::Line;

/// Ranges of memory, or of reserved memory, that are noted.
const MAX_RANGES: usize = 32;
/// Slots for virtio-mmio devices that are noted; `virt` has 32.
const MAX_SLOTS: usize = 64;
/// Windows of a host bridge that are noted.
const MAX_WINDOWS: usize = 8;
/// Interrupt lines of a host bridge that are noted; `virt` has 16.
const MAX_LINES: usize = 64;

/// A device's registers, and the interrupt it raises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its registers.
    pub(crate) registers: Range<usize>,
    /// Its interrupt.
    pub(crate) interrupt: Line,
}

/// A host bridge of PCI, whose bus addresses are the CPU's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PciHost {
    /// Configuration space of all its buses (ECAM), 1 MiB each.
    pub(crate) ecam: Range<usize>,
    /// Its segment.
    pub(crate) segment: u16,
    /// Its buses.
    pub(crate) buses: RangeInclusive<u8>,
    /// What it forwards to its bus; nothing else is there.
    pub(crate) windows: Vec<Range<u64>, MAX_WINDOWS>,
    /// Who gives the functions their addresses.
    pub(crate) assigned_by: AssignedBy,
    /// Where interrupt lines lead to.
    pub(crate) lines: PciLines,
}

/// Who gives the functions of a bus their addresses.
#[allow(
    dead_code,
    reason = "each architecture makes those that its machines have"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AssignedBy {
    /// Firmware did, before the kernel was started.
    Firmware,
    /// The kernel does, and nobody has before.
    Kernel,
}

/// Where the interrupt lines of a bus lead to.
#[allow(
    dead_code,
    reason = "each architecture makes those that its machines have"
)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is made once, and before there is a heap"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PciLines {
    /// By device and pin.
    Map {
        /// Which bits of bus, device and function count.
        mask: u16,
        /// Bus, device and function under the mask; the pin, INTA being 1; and the line.
        entries: Vec<(u16, u8, Line), MAX_LINES>,
    },
    /// Firmware has written the number into each function's Interrupt Line register; the lines are held.
    Register,
}

/// Where a description comes from; its `Display` names it in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// What it is.
    pub(crate) name: &'static str,
    /// Where it is.
    pub(crate) address: usize,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#x}", self.name, self.address)
    }
}

/// Why there is no description of a machine that this kernel can run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum MachineError {
    /// There is none.
    #[error("no {0}")]
    Missing(Source),
    /// There is one that contradicts itself, or says nothing of the memory.
    #[error("the {0} is damaged")]
    Damaged(Source),
    /// Something the kernel needs is not in it, or lacks a property.
    #[error("the {source_name} has no usable {what}")]
    Incomplete {
        /// What the description is.
        source_name: &'static str,
        /// What is needed.
        what: &'static str,
    },
    /// There is more of something than can be noted.
    #[error("the {source_name} has too many {what}")]
    TooMany {
        /// What the description is.
        source_name: &'static str,
        /// What there is too much of.
        what: &'static str,
    },
}

/// A machine, as whoever started the kernel describes it.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Who says so.
    pub(crate) source: Source,
    /// The kernel command line. It is gone once the free memory has been used.
    pub(crate) command_line: &'static [u8],
    /// Memory.
    pub(crate) memory: Vec<Range<usize>, MAX_RANGES>,
    /// What of it is in use, the description itself included.
    pub(crate) reserved: Vec<Range<usize>, MAX_RANGES>,
    /// CPUs.
    pub(crate) cpus: usize,
    /// The interrupt controller.
    pub(crate) interrupt_controller: InterruptController,
    /// The interrupt of the timer that is this CPU's own.
    pub(crate) timer: Line,
    /// The interrupt of the serial port.
    pub(crate) serial: Line,
    /// The slots that may hold a virtio-mmio device, in no particular order.
    pub(crate) virtio_mmio: Vec<Device, MAX_SLOTS>,
    /// The host bridge of PCI, if it has one.
    pub(crate) pci: Option<PciHost>,
}

impl Machine {
    /// Collects `items` into a list as long as the field it is for.
    ///
    /// # Errors
    ///
    /// [`MachineError::TooMany`] of `what`.
    pub(crate) fn collect<T, const N: usize>(
        source: Source,
        what: &'static str,
        items: impl IntoIterator<Item = T>,
    ) -> Result<Vec<T, N>, MachineError> {
        let mut list = Vec::new();
        for item in items {
            list.push(item).map_err(|_| MachineError::TooMany {
                source_name: source.name,
                what,
            })?;
        }
        Ok(list)
    }
}
