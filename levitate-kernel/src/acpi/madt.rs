//! Interrupt controllers and CPUs: [`Madt`] (5.2.12).

use core::ops::Range;

use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::Table;

/// Bytes of an I/O APIC's registers.
const IO_APIC_BYTES: u64 = 0x1000;
/// The bus whose interrupts are overridden; there is no other.
const ISA: u8 = 0;
/// In the flags of a CPU: it can be used.
const ENABLED: u32 = 1 << 0;

/// What is before the entries.
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Fixed {
    local_apic: U32,
    flags: U32,
}

const_assert_eq!(size_of::<Fixed>(), 8);

/// An entry, its type and length (2 bytes) left out: a CPU (5.2.12.2).
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LocalApicEntry {
    processor: u8,
    id: u8,
    flags: U32,
}

const_assert_eq!(size_of::<LocalApicEntry>(), 8 - 2);

/// A CPU with a number of 32 bits (5.2.12.12).
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LocalX2ApicEntry {
    reserved: U16,
    id: U32,
    flags: U32,
    processor: U32,
}

const_assert_eq!(size_of::<LocalX2ApicEntry>(), 16 - 2);

/// An I/O APIC (5.2.12.3).
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct IoApicEntry {
    id: u8,
    reserved: u8,
    address: U32,
    first_input: U32,
}

const_assert_eq!(size_of::<IoApicEntry>(), 12 - 2);

/// Another input for an interrupt of the ISA bus (5.2.12.5).
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct OverrideEntry {
    bus: u8,
    interrupt: u8,
    input: U32,
    flags: U16,
}

const_assert_eq!(size_of::<OverrideEntry>(), 10 - 2);

/// Another address of the local APICs (5.2.12.8).
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct AddressEntry {
    reserved: U16,
    address: U64,
}

const_assert_eq!(size_of::<AddressEntry>(), 12 - 2);

/// An I/O APIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoApic {
    /// Its registers.
    pub registers: Range<u64>,
    /// The number of its first input, among those of all I/O APICs.
    pub first_input: u32,
}

/// How an interrupt of the ISA bus reaches the I/O APICs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its number, among those of all I/O APICs.
    pub number: u32,
    /// Whether the device holds the line; otherwise it raises it for a moment.
    pub is_level: bool,
    /// Whether a low line is an interrupt.
    pub is_active_low: bool,
}

/// The table of interrupt controllers and CPUs.
#[derive(Clone, Copy, Debug)]
pub struct Madt<'a> {
    local_apic: u64,
    entries: &'a [u8],
}

impl<'a> Madt<'a> {
    /// Reads the table; `None` if it is too short to be one.
    pub fn new(table: &Table<'a>) -> Option<Self> {
        let (fixed, entries) = Fixed::ref_from_prefix(table.body()).ok()?;
        let local_apic = fixed.local_apic.get().into();
        Some(Self {
            local_apic,
            entries,
        })
    }

    /// Returns where each CPU has the registers of its local APIC.
    pub fn local_apic(&self) -> u64 {
        let address = self.of_type(5).filter_map(parse::<AddressEntry>).last();
        address.map_or(self.local_apic, |entry| entry.address.get())
    }

    /// Returns how many CPUs there are to be used.
    pub fn cpus(&self) -> usize {
        let local = self.of_type(0).filter_map(parse::<LocalApicEntry>);
        let local_x2 = self.of_type(9).filter_map(parse::<LocalX2ApicEntry>);
        let flags = local
            .map(|cpu| cpu.flags.get())
            .chain(local_x2.map(|cpu| cpu.flags.get()));
        flags.filter(|flags| flags & ENABLED != 0).count()
    }

    /// Returns the I/O APICs; one without an address is left out.
    pub fn io_apics(&self) -> impl Iterator<Item = IoApic> + use<'a> {
        self.of_type(1).filter_map(|entry| {
            let entry = parse::<IoApicEntry>(entry)?;
            let address = u64::from(entry.address.get());
            (address != 0).then(|| IoApic {
                registers: address..address + IO_APIC_BYTES,
                first_input: entry.first_input.get(),
            })
        })
    }

    /// Returns where an interrupt of the ISA bus arrives: where its number says, as an edge, unless the table has it otherwise.
    pub fn isa(&self, interrupt: u8) -> Input {
        let mut overrides = self.overrides();
        overrides
            .find_map(|(of, input)| (of == interrupt).then_some(input))
            .unwrap_or(Input {
                number: interrupt.into(),
                is_level: false,
                is_active_low: false,
            })
    }

    /// Returns the interrupts of the ISA bus that are not as usual, and how they are.
    pub fn overrides(&self) -> impl Iterator<Item = (u8, Input)> + use<'a> {
        self.of_type(2).filter_map(|entry| {
            let entry = parse::<OverrideEntry>(entry)?;
            let input = input(entry.input.get(), entry.flags.get());
            (entry.bus == ISA).then_some((entry.interrupt, input))
        })
    }

    /// Returns what follows type and length of each entry of a type.
    fn of_type(&self, wanted: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.entries;
        let entries = core::iter::from_fn(move || {
            let [kind, length] = *rest.first_chunk()?;
            // A length that does not even cover itself, or leads out of the table, ends the walk.
            let entry = rest.get(2..length.into())?;
            rest = rest.get(length.into()..)?;
            Some((kind, entry))
        });
        entries.filter_map(move |(kind, entry)| (kind == wanted).then_some(entry))
    }
}

/// Reads an entry, which a later revision may have made longer.
fn parse<T: FromBytes + Immutable + KnownLayout + Unaligned>(entry: &[u8]) -> Option<&T> {
    T::ref_from_prefix(entry).ok().map(|(entry, _)| entry)
}

/// Reads an input's flags (table 5.25); what is reserved is as the ISA bus has it, which is as an edge, and active high.
const fn input(number: u32, flags: u16) -> Input {
    const POLARITY: u16 = 0b11;
    const ACTIVE_LOW: u16 = 0b11;
    const TRIGGER: u16 = 0b11 << 2;
    const LEVEL: u16 = 0b11 << 2;
    Input {
        number,
        is_level: flags & TRIGGER == LEVEL,
        is_active_low: flags & POLARITY == ACTIVE_LOW,
    }
}
