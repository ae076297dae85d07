//! The I/O APICs, which bring this CPU the lines of the devices: [`IoApics`].

use core::ops::Range;

use heapless::Vec;
use levitate_hal::Mmio;

use crate::interrupts::Trigger;
use crate::platform::Registers;

/// I/O APICs that are noted; QEMU has two at most, and a machine of many sockets some for each of them.
const MAX_IO_APICS: usize = 64;
/// Interrupts of the ISA bus, which are those whose inputs can be active low.
pub(super) const ISA_INTERRUPTS: u8 = 16;

/// Where the I/O APICs are, and what is special about their inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Description {
    /// The registers of each, and the number of its first input.
    pub(super) parts: Vec<(Range<usize>, u32), MAX_IO_APICS>,
    /// The inputs that interrupt while they are low.
    pub(super) active_low: Vec<u32, { ISA_INTERRUPTS as usize }>,
}

/// The I/O APICs.
///
/// Only their controller has them: every access is under its lock.
pub(super) struct IoApics {
    parts: Vec<IoApic, MAX_IO_APICS>,
    active_low: Vec<u32, { ISA_INTERRUPTS as usize }>,
}

impl IoApics {
    /// Takes them with every input off; numbers from `end` on are not used.
    ///
    /// # Errors
    ///
    /// The registers that are not where device registers are mapped.
    pub(super) fn start(description: &Description, end: u32) -> Result<Self, Range<usize>> {
        let mut parts = Vec::new();
        for (registers, first) in &description.parts {
            let registers = Registers::new(registers.clone()).ok_or(registers.clone())?;
            // There is room: the list is as long as that of the description.
            let _ = parts.push(IoApic::start(registers, *first, end));
        }
        Ok(Self {
            parts,
            active_low: description.active_low.clone(),
        })
    }

    /// Returns the number after that of the last input.
    pub(super) fn end(&self) -> u32 {
        let ends = self.parts.iter().map(|part| part.numbers.end);
        ends.max().unwrap_or(0)
    }

    /// Has an input raise `vector`; says whether there is such an input.
    pub(super) fn enable(&self, number: u32, vector: u8, trigger: Trigger) -> bool {
        let mut entry = u32::from(vector);
        if trigger == Trigger::Level {
            entry |= IoApic::LEVEL;
        }
        if self.active_low.contains(&number) {
            entry |= IoApic::ACTIVE_LOW;
        }
        self.set(number, entry)
    }

    /// Switches an input off; says whether there is such an input.
    pub(super) fn disable(&self, number: u32) -> bool {
        self.set(number, IoApic::MASKED)
    }

    fn set(&self, number: u32, entry: u32) -> bool {
        let mut parts = self.parts.iter();
        let part = parts.find(|part| part.numbers.contains(&number));
        part.inspect(|part| part.set(number, entry)).is_some()
    }
}

/// One of them, whose registers are reached through two: one selects, the other reads and writes.
struct IoApic {
    registers: Registers,
    numbers: Range<u32>,
}

impl IoApic {
    /// Bits of an input's entry: it interrupts while it is low; the device holds the line; the line is off. All go to the
    /// first CPU.
    const ACTIVE_LOW: u32 = 1 << 13;
    const LEVEL: u32 = 1 << 15;
    const MASKED: u32 = 1 << 16;

    const SELECT: usize = 0x00;
    const WINDOW: usize = 0x10;
    const VERSION: u32 = 0x01;
    const FIRST_ENTRY: u32 = 0x10;

    /// Takes the one whose first input is number `first`, with every input off.
    fn start(registers: Registers, first: u32, end: u32) -> Self {
        registers.write32(Self::SELECT, Self::VERSION);
        let inputs = (registers.read32(Self::WINDOW) >> 16 & 0xff) + 1;
        let numbers = first..first.saturating_add(inputs).min(end);
        let new = Self { registers, numbers };
        for number in new.numbers.clone() {
            new.set(number, Self::MASKED);
        }
        new
    }

    /// Writes an input's entry: the vector, and the bits above.
    fn set(&self, number: u32, entry: u32) {
        let low = Self::FIRST_ENTRY + 2 * (number - self.numbers.start);
        self.registers.write32(Self::SELECT, low + 1);
        self.registers.write32(Self::WINDOW, 0);
        self.registers.write32(Self::SELECT, low);
        self.registers.write32(Self::WINDOW, entry);
    }
}
