//! Tables that are cut short, have a byte changed, or are anything at all: an error or less, never a panic.

use std::vec::Vec;

use proptest::prelude::*;

use super::real::{Image, MICROVM, PC, Q35};
use super::{Memory, checksum, root_pointer, sealed};
use crate::acpi::fadt::Fadt;
use crate::acpi::madt::Madt;
use crate::acpi::sleep::SoftOff;
use crate::acpi::{AcpiError, Signature, Tables, hpet, mcfg};

const SIGNATURES: [Signature; 4] = [
    Signature::MADT,
    Signature::FADT,
    Signature::HPET,
    Signature::MCFG,
];

/// Reads all that there is to read; returns how many tables were sound.
fn read_all(memory: &Memory, root: u64) -> Result<usize, AcpiError> {
    let tables = Tables::find(memory, root)?;
    let mut sound = 0;
    if let Ok(table) = tables.table(Signature::MADT) {
        sound += 1;
        if let Some(madt) = Madt::new(&table) {
            let _ = (madt.cpus(), madt.local_apic(), madt.isa(4));
            // Each entry has two bytes at least.
            assert!(madt.io_apics().count() + madt.overrides().count() <= table.body().len() / 2);
        }
    }
    if let Ok(table) = tables.table(Signature::FADT) {
        sound += 1;
        let fadt = Fadt::new(&table);
        let _ = fadt.sleep_registers();
        if let Ok(dsdt) = tables.at(fadt.dsdt(), Signature::DSDT) {
            sound += 1;
            if let Some(off) = SoftOff::find(&dsdt) {
                assert_eq!(off.control() & 0b1110_0011, 1 << 5);
            }
        }
    }
    if let Ok(table) = tables.table(Signature::HPET) {
        sound += 1;
        let _ = hpet::registers(&table);
    }
    if let Ok(table) = tables.table(Signature::MCFG) {
        sound += 1;
        for region in mcfg::regions(&table) {
            let buses = u64::from(region.buses.end() - region.buses.start()) + 1;
            assert_eq!(region.ecam.end - region.ecam.start, buses << 20);
        }
    }
    Ok(sound)
}

fn whole(image: &Image) -> usize {
    read_all(&image.memory(), image.root_address).unwrap()
}

/// Returns whether the byte at `offset` is in a table that is read, the table of tables included.
fn is_read(image: &Image, offset: usize) -> bool {
    let mut start = 0;
    loop {
        let header = &image.tables[start..];
        let length = u32::from_le_bytes(header[4..8].try_into().unwrap()) as usize;
        if offset < start + length {
            // QEMU's table for Windows is not for this kernel.
            return &header[..4] != b"WAET";
        }
        start += length;
    }
}

#[test]
fn all_that_is_there_is_read() {
    assert_eq!(whole(&Q35), 5);
    assert_eq!(whole(&PC), 4);
    assert_eq!(whole(&MICROVM), 3);
}

#[test]
fn memory_that_ends_too_soon_costs_tables_and_no_more() {
    for image in [MICROVM, Q35] {
        let all = whole(&image);
        for length in 0..image.tables.len() {
            let mut memory = image.memory();
            memory.piece(image.tables_address).truncate(length);
            // The table of tables is the last.
            assert!(read_all(&memory, image.root_address).is_err());
        }
        for first in 1..image.tables.len() {
            let mut memory = image.memory();
            memory.piece(image.tables_address).drain(..first);
            memory.0[1].0 += first as u64;
            let sound = read_all(&memory, image.root_address).unwrap_or(0);
            assert!(sound < all, "{first}");
        }
        for length in 0..image.root.len() {
            let mut memory = image.memory();
            memory.piece(image.root_address).truncate(length);
            assert!(matches!(
                read_all(&memory, image.root_address),
                Err(AcpiError::Unreadable { .. })
            ));
        }
    }
}

#[test]
fn a_byte_that_is_changed_costs_its_table() {
    for image in [MICROVM, Q35] {
        let all = whole(&image);
        let mut memory = image.memory();
        for offset in 0..image.tables.len() {
            memory.piece(image.tables_address)[offset] ^= 0x10;
            let sound = read_all(&memory, image.root_address).unwrap_or(0);
            assert_eq!(sound < all, is_read(&image, offset), "{offset:#x}");
            memory.piece(image.tables_address)[offset] ^= 0x10;
        }
        for offset in 0..image.root.len() {
            let mut memory = image.memory();
            memory.piece(image.root_address)[offset] ^= 0x10;
            assert!(read_all(&memory, image.root_address).is_err(), "{offset}");
        }
    }
}

/// Returns the tables that are not code, to be changed with their checksum made right.
fn small_tables(image: &Image) -> impl Iterator<Item = (Signature, &'static [u8])> {
    let tables = image.tables;
    let mut start = 0;
    core::iter::from_fn(move || {
        let table = tables.get(start..).filter(|rest| !rest.is_empty())?;
        let length = u32::from_le_bytes(table[4..8].try_into().unwrap()) as usize;
        start += length;
        Some((Signature(table[..4].try_into().unwrap()), &table[..length]))
    })
    .filter(|(signature, _)| SIGNATURES.contains(signature))
}

/// Reads a table at 0x2000 of a machine that has no other.
fn read_alone(table: &[u8]) -> usize {
    let memory = Memory::default()
        .with(0, root_pointer(0x1000))
        .with(0x1000, sealed(Signature::RSDT, &0x2000_u32.to_le_bytes()))
        .with(0x2000, table);
    read_all(&memory, 0).unwrap()
}

#[test]
fn a_table_of_any_length_is_read_as_far_as_it_goes() {
    for image in [MICROVM, PC, Q35] {
        for (signature, table) in small_tables(&image) {
            for length in 36..=table.len() {
                assert_eq!(read_alone(&sealed(signature, &table[36..length])), 1);
            }
        }
    }
}

#[test]
fn a_byte_that_is_changed_with_the_checksum_is_no_panic() {
    for image in [MICROVM, PC, Q35] {
        for (_, table) in small_tables(&image) {
            for offset in 36..table.len() {
                for value in 0..=u8::MAX {
                    let mut table = table.to_vec();
                    table[offset] = value;
                    table[9] = 0;
                    table[9] = checksum(&table);
                    assert_eq!(read_alone(&table), 1);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn a_sound_table_may_say_anything(
        which in 0..SIGNATURES.len(),
        body in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        prop_assert_eq!(read_alone(&sealed(SIGNATURES[which], &body)), 1);
    }

    #[test]
    fn code_may_be_anything_after_the_name(
        before in proptest::collection::vec(any::<u8>(), 0..20),
        after in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let code = [&before[..], b"\x08_S5_\x12", &after[..]].concat();
        let mut fadt = [0; 80];
        fadt[4..8].copy_from_slice(&0x3000_u32.to_le_bytes());
        let memory = Memory::default()
            .with(0, root_pointer(0x1000))
            .with(0x1000, sealed(Signature::RSDT, &0x2000_u32.to_le_bytes()))
            .with(0x2000, sealed(Signature::FADT, &fadt))
            .with(0x3000, sealed(Signature::DSDT, &code));
        prop_assert_eq!(read_all(&memory, 0).unwrap(), 2);
    }

    #[test]
    fn memory_may_have_anything_in_it(
        bytes in proptest::collection::vec(any::<u8>(), 0..4096),
        root in any::<u32>(),
    ) {
        let memory = Memory::default().with(0, root_pointer(root)).with(0x100, bytes);
        let _ = read_all(&memory, 0);
        let _ = read_all(&memory, 0x100);
        let _ = read_all(&memory, u64::MAX);
    }

    #[test]
    fn the_table_of_tables_may_point_anywhere(pointers in proptest::collection::vec(any::<u16>(), 0..400)) {
        let body: Vec<u8> = pointers.iter().flat_map(|to| u32::from(*to).to_le_bytes()).collect();
        let memory = Memory::default()
            .with(0, root_pointer(0x1000))
            .with(0x1000, sealed(Signature::RSDT, &body));
        prop_assert_eq!(read_all(&memory, 0), Ok(0));
    }
}
