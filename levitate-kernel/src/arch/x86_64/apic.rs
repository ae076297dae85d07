//! The local APIC of this CPU, by its registers in memory (xAPIC).

use core::ops::Range;

use levitate_hal::Mmio;
use x86_64::registers::model_specific::Msr;

use crate::interrupts::MessageTarget;
use crate::platform::Registers;

/// Offsets of its registers.
const ID: usize = 0x020;
const END_OF_INTERRUPT: usize = 0x0b0;
const SPURIOUS: usize = 0x0f0;
const COMMAND: usize = 0x300;
const TIMER: usize = 0x320;
const TIMER_INITIAL: usize = 0x380;
const TIMER_CURRENT: usize = 0x390;
const TIMER_DIVIDER: usize = 0x3e0;

/// The vector of an interrupt that went away before it was taken; it is not ended.
pub(super) const SPURIOUS_VECTOR: u8 = 0xff;

const ENABLED: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
/// `IA32_APIC_BASE`: where the registers are, and whether there are any.
const BASE_MSR: u32 = 0x1b;
const BASE_ENABLED: u64 = 1 << 11;
const BASE_ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Where devices send messages; the bits from 12 on say to which local APIC.
const MESSAGES: u64 = 0xfee0_0000;
/// Command: to this CPU itself, as an edge.
const TO_ITSELF: u32 = 0b01 << 18 | 1 << 14;
/// The timer counts once in 16 cycles of its clock.
const DIVIDE_BY_16: u32 = 0b0011;

/// The local APIC of this CPU.
#[derive(Clone, Debug)]
pub(super) struct LocalApic(Registers);

impl LocalApic {
    /// Returns where this CPU has its registers; `None` if it has none.
    pub(super) fn place() -> Option<Range<usize>> {
        // SAFETY: every 64-bit CPU has the register, and reading it changes nothing.
        let base = unsafe { Msr::new(BASE_MSR).read() };
        let start = (base & BASE_ADDRESS) as usize;
        (base & BASE_ENABLED != 0).then_some(start..start + 0x1000)
    }

    /// Switches it on, its timer off.
    pub(super) fn start(registers: Registers) -> Self {
        registers.write32(TIMER, MASKED);
        registers.write32(TIMER_DIVIDER, DIVIDE_BY_16);
        registers.write32(SPURIOUS, ENABLED | u32::from(SPURIOUS_VECTOR));
        Self(registers)
    }

    /// Ends the interrupt that was taken last.
    pub(super) fn end(&self) {
        self.0.write32(END_OF_INTERRUPT, 0);
    }

    /// Interrupts this CPU itself.
    pub(super) fn interrupt_itself(&self, vector: u8) {
        self.0.write32(COMMAND, TO_ITSELF | u32::from(vector));
    }

    /// Returns the message that raises `vector` here, as an edge.
    pub(super) fn message(&self, vector: u8) -> MessageTarget {
        let id = self.0.read32(ID) >> 24;
        MessageTarget {
            address: MESSAGES | u64::from(id) << 12,
            data: u32::from(vector),
        }
    }

    /// Has the timer raise `vector` once, after so many counts.
    pub(super) fn set_timer(&self, vector: u8, counts: u32) {
        self.0.write32(TIMER, u32::from(vector));
        self.0.write32(TIMER_INITIAL, counts);
    }

    /// Switches the timer's interrupt off.
    pub(super) fn mask_timer(&self) {
        self.0.write32(TIMER, MASKED);
    }

    /// Starts the timer with its interrupt off, for [`LocalApic::timer_count`].
    pub(super) fn start_counting(&self) {
        self.0.write32(TIMER, MASKED);
        self.0.write32(TIMER_INITIAL, u32::MAX);
    }

    /// Returns how far the timer has counted since [`LocalApic::start_counting`].
    pub(super) fn timer_count(&self) -> u32 {
        u32::MAX - self.0.read32(TIMER_CURRENT)
    }
}
