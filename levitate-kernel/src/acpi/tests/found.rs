//! What QEMU's tables have not, but other machines' may.

use std::vec;
use std::vec::Vec;

use super::{Memory, extended_root_pointer, root_pointer, sealed, with_table};
use crate::acpi::fadt::{Fadt, SleepRegisters};
use crate::acpi::madt::{Input, Madt};
use crate::acpi::mcfg::{self, Region};
use crate::acpi::sleep::SoftOff;
use crate::acpi::{AcpiError, Register, Signature, Tables};

fn soft_off(code: &[u8]) -> Option<(u16, u16)> {
    let off = with_table(Signature::DSDT, code, SoftOff::find)?;
    Some((off.pm1a(0), off.pm1b(0)))
}

#[test]
fn a_table_that_is_damaged_gives_way_to_a_sound_one() {
    let mut damaged = sealed(Signature::HPET, b"damaged");
    damaged[36] ^= 1;
    let memory = Memory::default()
        .with(0x0, root_pointer(0x1000))
        .with(
            0x1000,
            sealed(Signature::RSDT, &[0, 0x20, 0, 0, 0, 0x30, 0, 0]),
        )
        .with(0x2000, damaged)
        .with(0x3000, sealed(Signature::HPET, b"sound"));
    let tables = Tables::find(&memory, 0).unwrap();
    assert_eq!(tables.table(Signature::HPET).unwrap().body(), b"sound");
}

#[test]
fn the_32_bit_pointers_are_used_where_there_are_no_others() {
    let rsdt = sealed(Signature::RSDT, &0x3000_u32.to_le_bytes());
    let xsdt = sealed(Signature::XSDT, &0x4000_u64.to_le_bytes());
    for (root, expected) in [
        (root_pointer(0x1000), b"by rsdt"),
        (extended_root_pointer(0x1000, 0), b"by rsdt"),
        (extended_root_pointer(0x1000, 0x2000), b"by xsdt"),
        (extended_root_pointer(0, 0x2000), b"by xsdt"),
    ] {
        let memory = Memory::default()
            .with(0x100, root)
            .with(0x1000, rsdt.clone())
            .with(0x2000, xsdt.clone())
            .with(0x3000, sealed(Signature::MCFG, b"by rsdt"))
            .with(0x4000, sealed(Signature::MCFG, b"by xsdt"));
        let tables = Tables::find(&memory, 0x100).unwrap();
        assert_eq!(tables.table(Signature::MCFG).unwrap().body(), expected);
    }
}

#[test]
fn a_table_says_why_it_is_not_to_be_had() {
    let mut long = sealed(Signature::HPET, b"");
    long[7] = 0x80;
    let mut short = sealed(Signature::HPET, b"");
    short[4] = 35;
    let signature = Signature::HPET;
    for (table, expected) in [
        (
            long,
            AcpiError::Length {
                signature,
                len_bytes: 0x8000_0024,
            },
        ),
        (
            short,
            AcpiError::Length {
                signature,
                len_bytes: 35,
            },
        ),
        (
            sealed(signature, b"body")[..39].to_vec(),
            AcpiError::Unreadable {
                signature,
                address: 0x2000,
            },
        ),
        (
            sealed(Signature::MCFG, b""),
            AcpiError::Other {
                signature,
                address: 0x2000,
            },
        ),
    ] {
        let memory = Memory::default().with(0x2000, table);
        let error = crate::acpi::Table::read(&memory, 0x2000, signature).err();
        assert_eq!(error, Some(expected));
    }
}

#[test]
fn a_signature_is_shown_as_text_whatever_is_in_it() {
    assert_eq!(
        std::format!("{}", Signature(*b"A\n\xff\"")),
        "A\\n\\xff\\\""
    );
}

#[test]
fn configuration_space_begins_with_the_first_bus() {
    // Base, segment, first and last bus, reserved.
    let mut body = vec![0; 8];
    for (base, first, last) in [
        (0xe000_0000_u64, 0x10, 0x1f),
        (0, 0, 0xff),
        (0xe000_1000, 0, 0xff),
        (0xe000_0000, 2, 1),
        (0xffff_ffff_fff0_0000, 0, 0),
        (0xffff_ffff_f000_0000, 0x80, 0xfe),
    ] {
        body.extend(base.to_le_bytes());
        body.extend([3, 0, first, last, 0, 0, 0, 0]);
    }
    body.extend([0xff; 15]);
    let regions: Vec<_> = with_table(Signature::MCFG, &body, |table| {
        mcfg::regions(table).collect()
    });
    let region = |ecam, buses| Region {
        ecam,
        segment: 3,
        buses,
    };
    let expected = [
        region(0xe100_0000..0xe200_0000, 0x10..=0x1f),
        region(0xffff_ffff_f800_0000..0xffff_ffff_fff0_0000, 0x80..=0xfe),
    ];
    assert_eq!(regions, expected);
}

#[test]
fn cpus_that_cannot_be_used_are_not_counted() {
    let mut body = vec![0; 8];
    // Local APICs: enabled, disabled, only online capable; x2APICs: enabled, disabled.
    body.extend([0, 8, 0, 0, 1, 0, 0, 0]);
    body.extend([0, 8, 1, 1, 0, 0, 0, 0]);
    body.extend([0, 8, 2, 2, 2, 0, 0, 0]);
    body.extend([9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0]);
    body.extend([9, 16, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]);
    let cpus = with_table(Signature::MADT, &body, |table| {
        Madt::new(table).unwrap().cpus()
    });
    assert_eq!(cpus, 2);
}

#[test]
fn a_line_may_be_low_and_held() {
    let mut body = vec![0; 8];
    // Of another bus; low and held; reserved values; the local APICs of all CPUs are elsewhere.
    body.extend([2, 10, 1, 4, 40, 0, 0, 0, 0xf, 0]);
    body.extend([2, 10, 0, 4, 36, 0, 0, 0, 0xf, 0]);
    body.extend([2, 10, 0, 5, 37, 0, 0, 0, 0xa, 0]);
    body.extend([5, 12, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]);
    with_table(Signature::MADT, &body, |table| {
        let madt = Madt::new(table).unwrap();
        let input = |number, is| Input {
            number,
            is_level: is,
            is_active_low: is,
        };
        assert_eq!(madt.isa(4), input(36, true));
        assert_eq!(madt.isa(5), input(37, false));
        assert_eq!(madt.local_apic(), 0x4_0000_0000);
    });
}

#[test]
fn an_entry_without_a_sensible_length_ends_the_walk() {
    for length in [0, 1, 9, 0xff] {
        let mut body = vec![0; 8];
        body.extend([0, 8, 0, 0, 1, 0, 0, 0]);
        body.extend([0, length, 1, 1, 1, 0, 0, 0]);
        let cpus = with_table(Signature::MADT, &body, |table| {
            Madt::new(table).unwrap().cpus()
        });
        assert_eq!(cpus, 1, "length {length}");
    }
}

#[test]
fn registers_of_64_bits_are_preferred() {
    let mut body = vec![0; 276 - 36];
    let mut put = |offset: usize, bytes: &[u8]| {
        body[offset - 36..][..bytes.len()].copy_from_slice(bytes);
    };
    put(40, &0x1000_u32.to_le_bytes());
    put(64, &0x404_u32.to_le_bytes());
    put(140, &0x1_0000_0000_u64.to_le_bytes());
    // In memory, 16 bits.
    put(172, &[0, 16, 0, 2, 0, 0, 0, 0xfe, 0, 0, 0, 0]);
    put(184, &[1, 16, 0, 2, 8, 4, 0, 0, 0, 0, 0, 0]);
    let fadt = with_table(Signature::FADT, &body, Fadt::new);
    assert_eq!(fadt.dsdt(), 0x1_0000_0000);
    let expected = SleepRegisters::Pm1 {
        a: Register::Memory(0xfe00_0000),
        b: Some(Register::Port(0x408)),
        enable: None,
    };
    assert_eq!(fadt.sleep_registers(), Some(expected));
}

#[test]
fn the_types_of_both_registers_are_read() {
    let written = [0x2000 | 5 << 10, 0x2000 | 7 << 10];
    assert_eq!(
        soft_off(b"\x08_S5_\x12\x06\x02\x0a\x05\x0a\x07"),
        Some(written.into())
    );
    assert_eq!(
        soft_off(b"..\x08\\_S5_\x12\x08\x04\x0a\x05\x0a\x07\0\0"),
        Some(written.into()),
        "a name from the root"
    );
    assert_eq!(
        soft_off(b"\x08_S5_\x12\x47\x00\x02\x0a\x05\x0a\x07"),
        Some(written.into()),
        "a length of two bytes"
    );
    assert_eq!(
        soft_off(b"\x08_S5_\x12\x04\x01\x0a\x05"),
        Some((written[0], written[0])),
        "one element"
    );
    assert_eq!(
        soft_off(b"\x08_S5_\x12\x04\x02\x01\0"),
        Some((0x2400, 0x2000))
    );
}

#[test]
fn what_only_looks_like_the_types_is_passed_over() {
    for code in [
        &b"_S5_\x12\x04\x02\x01\0"[..],
        b"\x08_S5_",
        b"\x08_S5_\x12",
        b"\x08_S5_\x12\x04",
        b"\x08_S5_\x13\x04\x02\x01\0",
        b"\x08_S5_\x12\x03\x02\x01\0",
        b"\x08_S5_\x12\x04\x00\x01\0",
        b"\x08_S5_\x12\x05\x02\x0a\x08\0",
        b"\x08_S5_\x12\x05\x02\x0b\x08\0",
        b"\x08_S5_\x12\xc4\x02\x01\0",
        b"\x08_S5_\x12\x00\x02\x01\0",
    ] {
        assert_eq!(soft_off(code), None, "{code:x?}");
        let then = [code, b"\x08_S5_\x12\x04\x02\x01\0"].concat();
        assert_eq!(soft_off(&then), Some((0x2400, 0x2000)), "{then:x?}");
    }
}
