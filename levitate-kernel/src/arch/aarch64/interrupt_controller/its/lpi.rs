//! Locality-specific interrupts: the redistributor's tables of them ([`Lpis`]; GIC architecture specification, §5.1).

use core::ops::Range;

use levitate_hal::Mmio;

use super::ItsError;
use super::table::{self, Table};
use crate::platform::Registers;

/// The first one.
pub(crate) const FIRST_LPI: u32 = 8192;

/// Bits of an interrupt's number: twice as many numbers as come before the first one.
const NUMBER_BITS: u32 = 14;
/// How many there are.
const COUNT: usize = (1 << NUMBER_BITS) - FIRST_LPI as usize;

/// `GICR_CTLR`, `GICR_TYPER`, `GICR_PROPBASER`, `GICR_PENDBASER`.
const CONTROL: usize = 0x000;
const TYPE: usize = 0x008;
const CONFIGURATIONS: usize = 0x070;
const PENDING: usize = 0x078;

/// In the control register: the interrupts come.
const ENABLE: u32 = 1 << 0;
/// In the type register: there are such interrupts.
const HAS_LPIS: u64 = 1 << 0;
/// In both base registers: accesses allocate in caches, and write back.
const WRITE_BACK: u64 = 0b111 << 7;
/// In the base register of pending interrupts: the table is all zero.
const IS_ZERO: u64 = 1 << 62;

/// What is in the table for an interrupt: its priority, a bit that is always set, and whether it is on.
///
/// The priority is that of the other interrupts.
const OFF: u8 = 0x80 | 1 << 1;
const ON: u8 = OFF | 1 << 0;

/// The locality-specific interrupts of this CPU.
#[derive(Debug)]
pub(super) struct Lpis {
    /// A byte for each.
    configurations: Table,
}

impl Lpis {
    /// Gives the redistributor its tables, with every interrupt off.
    ///
    /// # Errors
    ///
    /// [`ItsError`].
    pub(super) fn start(redistributor: &Registers) -> Result<Self, ItsError> {
        if redistributor.read64(TYPE) & HAS_LPIS == 0 {
            return Err(ItsError::NoLpis);
        }
        if redistributor.read32(CONTROL) & ENABLE != 0 {
            // Somebody gave it other tables, and it need not take new ones.
            return Err(ItsError::InUse);
        }
        let configurations = Table::new(COUNT, 0x1000)?;
        for index in 0..COUNT {
            configurations.write(index, &OFF);
        }
        // A bit for each, and for each number before the first one.
        let pending = Table::new(1 << (NUMBER_BITS - 3), 0x1_0000)?;

        let attributes = WRITE_BACK | table::SHARED;
        let number_bits = u64::from(NUMBER_BITS - 1);
        let value = configurations.address() | attributes | number_bits;
        redistributor.write64(CONFIGURATIONS, value);
        table::ensure_shared(redistributor.read64(CONFIGURATIONS))?;
        redistributor.write64(PENDING, pending.address() | attributes | IS_ZERO);
        table::ensure_shared(redistributor.read64(PENDING))?;
        let control = redistributor.read32(CONTROL);
        redistributor.write32(CONTROL, control | ENABLE);
        Ok(Self { configurations })
    }

    /// Returns their numbers, of which the whole controller has `most` at most.
    pub(super) fn numbers(most: u32) -> Range<u32> {
        let most = (most as usize).min(COUNT);
        FIRST_LPI..FIRST_LPI + most as u32
    }

    /// Returns the number that the controller has for the redistributor's CPU.
    pub(super) fn processor_number(redistributor: &Registers) -> u64 {
        redistributor.read64(TYPE) >> 8 & 0xffff
    }

    /// Notes whether an interrupt is on; the redistributor reads it when it is told to.
    pub(super) fn set(&self, number: u32, is_on: bool) {
        if let Some(index) = number.checked_sub(FIRST_LPI) {
            let configuration = if is_on { ON } else { OFF };
            self.configurations.write(index as usize, &configuration);
        }
    }
}
