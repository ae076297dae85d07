//! What the PVH start info, ACPI tables and the kernel command line say about a PC.

use core::arch::x86_64::__cpuid;
use core::ops::Range;

use levitate_kernel::acpi::mcfg;
use levitate_kernel::command_line::virtio_mmio;
use pvh::start_info::reader::StartInfoReader;
use pvh::start_info::{MemmapTableEntry, MemmapType};

use super::acpi::{self, Findings, Interrupts};
use super::apic::LocalApic;
use super::boot::LOW_MEMORY;
use super::interrupt_controller::{Description, TIMER};
use super::{clock, hpet, io_apic};
use crate::interrupts::{Line, Trigger};
use crate::machine::{AssignedBy, Device, Machine, MachineError, PciHost, PciLines, Source};

const NAME: &str = "PVH start info";
const NAME_WITH_ACPI: &str = "PVH start info with ACPI tables";

/// Where addresses of 32 bits end.
const LOW_END: u64 = 1 << 32;
/// From here on up to [`LOW_END`] a PC has registers of its own, and nothing of PCI.
const WINDOW_END: u64 = IO_APIC.start as u64;

/// Where a PC without ACPI has its I/O APIC.
const IO_APIC: Range<usize> = 0xfec0_0000..0xfec0_1000;

/// The interrupt of the first serial port of such a PC.
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
    let mut source = Source {
        name: NAME,
        address: boot_argument,
    };
    let address = u32::try_from(boot_argument).map_err(|_| MachineError::Missing(source))?;
    // SAFETY: the loader's structure, in memory that is mapped at its own addresses, says the caller.
    let info = unsafe { StartInfoReader::from_paddr_identity(address) };
    let info = info.ok_or(MachineError::Missing(source))?;
    if info.memmap().is_empty() {
        return Err(MachineError::Damaged(source));
    }
    // SAFETY: the loader's map, and memory that is mapped and was not written to, says the caller.
    let findings = unsafe { acpi::read(info.raw().rsdp_paddr, info.memmap()) };
    if findings.is_some() {
        source.name = NAME_WITH_ACPI;
    }
    let Findings {
        interrupts,
        pci,
        event_timer,
        switch,
    } = findings.unwrap_or_default();
    let incomplete = |what| MachineError::Incomplete {
        source_name: source.name,
        what,
    };
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
    if let Some(switch) = switch {
        switch.remember();
    }
    if !clock::is_measured() {
        let hertz = event_timer.and_then(hpet::measure_time_stamp_counter);
        clock::set_frequency_by_hpet(
            hertz.ok_or_else(|| incomplete("timer (8254 or HPET) to measure the clock by"))?,
        );
    }
    let Interrupts { cpus, io, serial } = interrupts.unwrap_or_else(without_acpi);
    Ok(Machine {
        source,
        command_line,
        memory: Machine::collect(source, "ranges of memory", memory)?,
        reserved: Machine::collect(source, "ranges of reserved memory", [])?,
        cpus,
        interrupt_controller: Description {
            local: LocalApic::place().ok_or_else(|| incomplete("local APIC"))?,
            io,
        },
        timer: TIMER,
        serial,
        virtio_mmio: Machine::collect(source, "virtio-mmio slots", slots)?,
        pci: match pci {
            Some(region) => Some(host(source, &region, info.memmap())?),
            None => None,
        },
    })
}

/// Returns what a PC has whose firmware says nothing.
fn without_acpi() -> Interrupts {
    Interrupts {
        cpus: cpus(),
        io: io_apic::Description {
            parts: [(IO_APIC, 0)].into_iter().collect(),
            ..Default::default()
        },
        serial: SERIAL,
    }
}

/// Returns the host bridge whose configuration space is at `region`; firmware has given the functions behind it what they need.
fn host(
    source: Source,
    region: &mcfg::Region,
    map: &[MemmapTableEntry],
) -> Result<PciHost, MachineError> {
    let [low_start, high_start] = [0..LOW_END, LOW_END..u64::MAX].map(|place| {
        let here = map.iter().filter(|entry| place.contains(&entry.addr));
        let ends = here.clone().filter(|entry| {
            let kind = MemmapType::from(entry.ty);
            matches!(kind, MemmapType::Ram | MemmapType::Acpi | MemmapType::Nvs)
        });
        let end = |entry: &MemmapTableEntry| entry.addr.saturating_add(entry.size);
        let memory = ends.map(end).fold(place.start, u64::max);
        // What follows it and is reserved is memory that firmware keeps; other reserved addresses are those of devices.
        let kept = here.filter(|entry| {
            MemmapType::from(entry.ty) == MemmapType::Reserved && entry.addr == memory
        });
        kept.map(end).fold(memory, u64::max)
    });
    let Range { start, end } = region.ecam;
    let windows = [
        low_start..start.min(WINDOW_END),
        low_start.max(end)..WINDOW_END,
        high_start..1 << address_bits(),
    ];
    let windows = windows.into_iter().filter(|window| !window.is_empty());
    let no_space = MachineError::Incomplete {
        source_name: source.name,
        what: "configuration space of PCI",
    };
    Ok(PciHost {
        ecam: usize::try_from(start).map_err(|_| no_space)?
            ..usize::try_from(end).map_err(|_| no_space)?,
        segment: region.segment,
        buses: region.buses.clone(),
        windows: Machine::collect(source, "PCI windows", windows)?,
        assigned_by: AssignedBy::Firmware,
        lines: PciLines::Register,
    })
}

/// Returns how many bits an address has (CPUID leaf 0x8000_0008), as far as they can be mapped at themselves.
fn address_bits() -> u32 {
    const MAPPED: u32 = 47;
    (__cpuid(0x8000_0008).eax & 0xff).min(MAPPED)
}

/// Returns how many CPUs this one's package has, as it says itself (CPUID leaf 1).
fn cpus() -> usize {
    const SEVERAL: u32 = 1 << 28;
    let leaf = __cpuid(1);
    if leaf.edx & SEVERAL == 0 {
        1
    } else {
        (leaf.ebx >> 16 & 0xff) as usize
    }
}
