//! The ways the machine ends: QEMU's `isa-debug-exit` if it is there; otherwise what ACPI names; otherwise the CPU stops.

use core::arch::asm;
use core::hint::spin_loop;
use core::time::Duration;

use levitate_hal::{Deadline, Mmio};
use levitate_kernel::acpi::Register;
use levitate_kernel::acpi::fadt::SleepRegisters;
use levitate_kernel::acpi::sleep::SoftOff;
use x86_64::VirtAddr;
use x86_64::instructions::interrupts;
use x86_64::instructions::port::Port;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;

use super::masking;
use crate::lock::Mutex;
use crate::platform::{KernelClock, Registers};

/// Where `-device isa-debug-exit,iobase=0xf4,iosize=0x04` is.
const DEBUG_EXIT: u16 = 0xf4;

/// Added to the status. QEMU ends with twice the value and one: without this, success would be QEMU's own 1 for a failure.
const OFFSET: u32 = 0x10;

/// How long the machine may take for what it is told.
const TIMEOUT: Duration = Duration::from_secs(1);

/// In a PM1 control register: power management is the kernel's, and no longer firmware's.
const IS_ENABLED: u16 = 1 << 0;

static SWITCH: Mutex<Option<Switch>> = Mutex::new(None);

/// What switches the machine off.
#[derive(Debug)]
pub(super) struct Switch {
    registers: Reachable,
    values: SoftOff,
}

#[derive(Debug)]
enum Reachable {
    Pm1 {
        a: Place,
        b: Option<Place>,
        enable: Option<(u16, u8)>,
    },
    Control(Place),
}

impl Switch {
    /// Takes the registers; `None` if they are not where device registers are mapped.
    pub(super) fn new(registers: SleepRegisters, values: SoftOff) -> Option<Self> {
        let registers = match registers {
            SleepRegisters::Pm1 { a, b, enable } => Reachable::Pm1 {
                a: Place::new(a, 2)?,
                b: b.and_then(|register| Place::new(register, 2)),
                enable,
            },
            SleepRegisters::Control(register) => Reachable::Control(Place::new(register, 1)?),
        };
        Some(Self { registers, values })
    }

    /// Remembers it as what switches this machine off.
    pub(super) fn remember(self) {
        *SWITCH.lock() = Some(self);
    }

    /// Switches the machine off; it returns if that has no effect in time.
    fn throw(&self) {
        match &self.registers {
            Reachable::Pm1 { a, b, enable } => {
                if let Some((port, value)) = enable.filter(|_| a.read16() & IS_ENABLED == 0) {
                    // SAFETY: the port tells firmware to hand over power management, say the tables, and nobody depends on that.
                    unsafe { Port::new(port).write(value) };
                    wait_until(|| a.read16() & IS_ENABLED != 0);
                }
                a.write16(self.values.pm1a(a.read16()));
                if let Some(b) = b {
                    b.write16(self.values.pm1b(b.read16()));
                }
            }
            Reachable::Control(register) => register.write8(self.values.control()),
        }
        wait_until(|| false);
    }
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Deadline::after(&KernelClock, TIMEOUT);
    while !condition() && !deadline.is_missed(&KernelClock) {
        spin_loop();
    }
}

/// A register of power management.
#[derive(Debug)]
enum Place {
    Memory(Registers),
    Port(u16),
}

impl Place {
    fn new(register: Register, len_bytes: usize) -> Option<Self> {
        match register {
            Register::Port(port) => Some(Self::Port(port)),
            Register::Memory(start) => {
                let start = usize::try_from(start).ok()?;
                Registers::new(start..start.checked_add(len_bytes)?).map(Self::Memory)
            }
        }
    }

    fn read16(&self) -> u16 {
        match self {
            Self::Memory(registers) => registers.read16(0),
            // SAFETY: reading a control register of power management changes nothing.
            Self::Port(port) => unsafe { Port::new(*port).read() },
        }
    }

    fn write16(&self, value: u16) {
        match self {
            Self::Memory(registers) => registers.write16(0, value),
            // SAFETY: the register is that of power management, say the tables, and the machine is to end.
            Self::Port(port) => unsafe { Port::new(*port).write(value) },
        }
    }

    fn write8(&self, value: u8) {
        match self {
            Self::Memory(registers) => registers.write8(0, value),
            // SAFETY: the register is that of power management, say the tables, and the machine is to end.
            Self::Port(port) => unsafe { Port::new(*port).write(value) },
        }
    }
}

/// Ends the machine and gives `status` to whoever started it; without the device for that, it is switched off or only stops.
pub(crate) fn exit(status: u8) -> ! {
    end(status);
    loop {
        // SAFETY: stopping changes no state; nothing wakes a CPU whose interrupts are masked, and nothing has to.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// Switches the machine off; where nothing says how, it is reset, which ends QEMU with `-no-reboot`.
pub(crate) fn off() -> ! {
    end(0);
    let nothing = DescriptorTablePointer {
        limit: 0,
        base: VirtAddr::zero(),
    };
    // SAFETY: interrupts are masked for good, and the next exception is to find no handler: it resets the machine.
    unsafe { lidt(&nothing) };
    interrupts::int3();
    exit(0)
}

/// Tries what ends the machine; it returns if nothing did.
fn end(status: u8) {
    masking::mask();
    // SAFETY: QEMU ends at this write; without the device nothing is at the port.
    unsafe { Port::new(DEBUG_EXIT).write(OFFSET + u32::from(status)) };
    // It may be a panic that ends the machine, and nothing waits for a lock then.
    if let Some(switch) = SWITCH.try_lock() {
        switch.iter().for_each(Switch::throw);
    }
}
