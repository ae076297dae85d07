//! What the PVH start info and the kernel command line say about a PC.

use core::ops::Range;

use levitate_kernel::command_line::virtio_mmio;
use pvh::start_info::MemmapType;
use pvh::start_info::reader::StartInfoReader;

use super::apic::LocalApic;
use super::boot::LOW_MEMORY;
use super::clock;
use super::interrupt_controller::{Description, TIMER};
use crate::interrupts::{Line, Trigger};
use crate::machine::{Device, Machine, MachineError, Source};

const NAME: &str = "PVH start info";

/// Where a PC without ACPI has its I/O APIC.
const IO_APIC: Range<usize> = 0xfec0_0000..0xfec0_1000;

/// The first serial port's interrupt.
const SERIAL: Line = Line {
    number: 4,
    trigger: Trigger::Edge,
};

/// Describes the machine from the PVH start info at `boot_argument`.
///
/// # Errors
///
/// [`MachineError`].
///
/// # Safety
///
/// `boot_argument` is what a PVH loader gave to the entry point; what it names is mapped, and nobody has written there.
pub(crate) unsafe fn describe(boot_argument: usize) -> Result<Machine, MachineError> {
    let source = Source {
        name: NAME,
        address: boot_argument,
    };
    let incomplete = |what| MachineError::Incomplete {
        source_name: NAME,
        what,
    };
    let address = u32::try_from(boot_argument).map_err(|_| MachineError::Missing(source))?;
    // SAFETY: the loader's structure, in memory that is mapped at its own addresses, says the caller.
    let info = unsafe { StartInfoReader::from_paddr_identity(address) };
    let info = info.ok_or(MachineError::Missing(source))?;
    if info.memmap().is_empty() {
        return Err(MachineError::Damaged(source));
    }
    let command_line = info.cmdline().map_or(&[][..], |line| line.to_bytes());
    let memory = info
        .memmap()
        .iter()
        .filter(|entry| MemmapType::from(entry.ty) == MemmapType::Ram)
        .filter_map(|entry| {
            let start = usize::try_from(entry.addr).ok()?;
            let end = start.checked_add(usize::try_from(entry.size).ok()?)?;
            let start = start.max(LOW_MEMORY.end);
            (start < end).then_some(start..end)
        });
    let slots = virtio_mmio::slots(command_line).map(|slot| Device {
        registers: slot.registers,
        interrupt: Line {
            number: slot.interrupt,
            // The device holds the line until it is acknowledged (§4.2.3.4).
            trigger: Trigger::Level,
        },
    });
    if !clock::is_measured() {
        return Err(incomplete("timer (8254) to measure the clock by"));
    }
    Ok(Machine {
        source,
        command_line,
        memory: Machine::collect(source, "ranges of memory", memory)?,
        reserved: Machine::collect(source, "ranges of reserved memory", [])?,
        cpus: cpus(),
        interrupt_controller: Description {
            local: LocalApic::place().ok_or_else(|| incomplete("local APIC"))?,
            io: IO_APIC,
        },
        timer: TIMER,
        serial: SERIAL,
        virtio_mmio: Machine::collect(source, "virtio-mmio slots", slots)?,
        pci: None,
    })
}

/// Returns how many CPUs this one's package has, as it says itself (CPUID leaf 1).
fn cpus() -> usize {
    const SEVERAL: u32 = 1 << 28;
    let leaf = core::arch::x86_64::__cpuid(1);
    if leaf.edx & SEVERAL == 0 {
        1
    } else {
        (leaf.ebx >> 16 & 0xff) as usize
    }
}
