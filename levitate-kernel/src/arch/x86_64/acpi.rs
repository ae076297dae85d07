//! What ACPI tables add to the start info of a PC: [`read`].

use core::ops::Range;

use heapless::Vec;
use levitate_kernel::acpi::fadt::Fadt;
use levitate_kernel::acpi::madt::Madt;
use levitate_kernel::acpi::sleep::SoftOff;
use levitate_kernel::acpi::{AcpiError, PhysicalMemory, Signature, Tables, hpet, mcfg};
use log::warn;
use pvh::start_info::{MemmapTableEntry, MemmapType};

use super::boot::{BOOT_MEMORY, LOW_MEMORY};
use super::io_apic::{self, ISA_INTERRUPTS};
use super::power::Switch;
use crate::interrupts::{Line, Trigger};

/// The interrupt of the first serial port on the ISA bus.
const SERIAL: u8 = 4;
/// Where graphics adapters have their memory on every PC.
const GRAPHICS: Range<u64> = 0xa_0000..0xc_0000;
/// The first page, where no table is.
const NULL_BYTES: u64 = 0x1000;

/// What the tables say, as far as it is there.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// CPUs and interrupt controllers.
    pub(super) interrupts: Option<Interrupts>,
    /// Configuration space of PCI.
    pub(super) pci: Option<mcfg::Region>,
    /// The registers of the high precision event timer.
    pub(super) event_timer: Option<Range<usize>>,
    /// What switches the machine off.
    pub(super) switch: Option<Switch>,
}

/// CPUs and interrupt controllers.
#[derive(Debug)]
pub(super) struct Interrupts {
    /// How many CPUs there are.
    pub(super) cpus: usize,
    /// The I/O APICs.
    pub(super) io: io_apic::Description,
    /// The interrupt of the serial port.
    pub(super) serial: Line,
}

/// Reads the tables by their root pointer; `None` if there are none, or they are not sound.
///
/// # Safety
///
/// `map` is the map of this machine's memory, all of it below 4 GiB is mapped at its own address, and nothing writes to what of
/// it is not for the kernel.
pub(super) unsafe fn read(root_pointer: u64, map: &[MemmapTableEntry]) -> Option<Findings> {
    if root_pointer == 0 {
        return None;
    }
    let memory = FirmwareMemory(map);
    let tables = told(Tables::find(&memory, root_pointer))?;
    Some(Findings {
        interrupts: table(&tables, Signature::MADT, |table| {
            let interrupts = Interrupts::new(&Madt::new(table)?);
            if interrupts.is_none() {
                warn!("the MADT names no I/O APIC that can be used");
            }
            interrupts
        }),
        pci: table(&tables, Signature::MCFG, |table| {
            mcfg::regions(table).find(|region| region.segment == 0)
        }),
        event_timer: table(&tables, Signature::HPET, |table| {
            range(&hpet::registers(table)?)
        }),
        switch: table(&tables, Signature::FADT, |table| {
            let fadt = Fadt::new(table);
            let dsdt = told(tables.at(fadt.dsdt(), Signature::DSDT))?;
            Switch::new(fadt.sleep_registers()?, SoftOff::find(&dsdt)?)
        }),
    })
}

/// Looks into a table, if there is one.
fn table<'a, T>(
    tables: &Tables<'a, FirmwareMemory<'_>>,
    signature: Signature,
    look: impl FnOnce(&levitate_kernel::acpi::Table<'a>) -> Option<T>,
) -> Option<T> {
    match tables.table(signature) {
        Err(AcpiError::Missing(_)) => None,
        other => look(&told(other)?),
    }
}

/// Tells what is wrong with a table.
fn told<T>(result: Result<T, AcpiError>) -> Option<T> {
    result.inspect_err(|error| warn!("{error}")).ok()
}

impl Interrupts {
    /// Takes what the table says; `None` if it has no I/O APIC.
    ///
    /// Those I/O APICs that are too many are left out, and so are their inputs.
    fn new(madt: &Madt<'_>) -> Option<Self> {
        let mut parts = Vec::new();
        let mut left_out = 0;
        for part in madt.io_apics() {
            let noted = range(&part.registers)
                .and_then(|registers| parts.push((registers, part.first_input)).ok());
            left_out += usize::from(noted.is_none());
        }
        if left_out != 0 {
            warn!(
                "{left_out} I/O APICs of the MADT are left out: {} are used",
                parts.len()
            );
        }
        let inputs = (0..ISA_INTERRUPTS).map(|interrupt| madt.isa(interrupt));
        let active_low = inputs.filter(|input| input.is_active_low);
        let active_low = active_low.map(|input| input.number).collect();
        let serial = madt.isa(SERIAL);
        (!parts.is_empty()).then_some(Self {
            // This one is there, whatever the table says.
            cpus: madt.cpus().max(1),
            io: io_apic::Description { parts, active_low },
            serial: Line {
                number: serial.number,
                trigger: match serial.is_level {
                    true => Trigger::Level,
                    false => Trigger::Edge,
                },
            },
        })
    }
}

fn range(range: &Range<u64>) -> Option<Range<usize>> {
    Some(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

/// The memory that firmware leaves tables in.
///
/// INVARIANT: the map says what memory there is, and nobody writes to what is named here while a slice of it is in use.
struct FirmwareMemory<'a>(&'a [MemmapTableEntry]);

impl FirmwareMemory<'_> {
    /// Says whether the range is one that firmware leaves tables in.
    fn is_tables(&self, entry: &MemmapTableEntry) -> bool {
        match MemmapType::from(entry.ty) {
            MemmapType::Acpi | MemmapType::Nvs => true,
            // The end of memory that firmware keeps for itself; other reserved addresses are those of devices.
            MemmapType::Reserved => self.0.iter().any(|before| {
                MemmapType::from(before.ty) == MemmapType::Ram && end(before) == entry.addr
            }),
            _ => false,
        }
    }
}

impl PhysicalMemory for FirmwareMemory<'_> {
    fn bytes(&self, wanted: Range<u64>) -> Option<&[u8]> {
        let is_in = |place: Range<u64>| place.start <= wanted.start && wanted.end <= place.end;
        let low_end = LOW_MEMORY.end as u64;
        let is_low = is_in(NULL_BYTES..GRAPHICS.start) || is_in(GRAPHICS.end..low_end);
        let is_high = is_in(low_end..BOOT_MEMORY.end as u64)
            && self
                .0
                .iter()
                .any(|entry| is_in(entry.addr..end(entry)) && self.is_tables(entry));
        if !(is_low || is_high) {
            return None;
        }
        let Range { start, end } = range(&wanted)?;
        let length = end.checked_sub(start)?;
        // SAFETY: the bytes are memory below 4 GiB, so mapped, and not at address 0; they are the firmware's, not the kernel's,
        // so nobody writes to them (invariant).
        Some(unsafe { core::slice::from_raw_parts(start as *const u8, length) })
    }
}

/// Returns where an entry of the map ends.
const fn end(entry: &MemmapTableEntry) -> u64 {
    entry.addr.saturating_add(entry.size)
}
