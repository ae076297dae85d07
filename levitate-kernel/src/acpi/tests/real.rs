//! What QEMU 7.2 and its firmware leave in memory, byte for byte.

use std::vec;
use std::vec::Vec;

use super::Memory;
use crate::acpi::fadt::{Fadt, SleepRegisters};
use crate::acpi::madt::{Input, IoApic, Madt};
use crate::acpi::mcfg::Region;
use crate::acpi::sleep::SoftOff;
use crate::acpi::{AcpiError, Register, Signature, Tables, hpet, mcfg};

/// A machine's root pointer, and all tables it leads to, in one piece.
pub(super) struct Image {
    pub(super) root_address: u64,
    pub(super) root: &'static [u8],
    pub(super) tables_address: u64,
    pub(super) tables: &'static [u8],
}

/// `-M q35 -smp 2 -m 64M`, after SeaBIOS.
pub(super) const Q35: Image = Image {
    root_address: 0xf_59e0,
    root: b"RSD PTR \x38BOCHS \0\xf7\x22\xfe\x03",
    tables_address: 0x3fe_0040,
    tables: include_bytes!("../../../tests/acpi/q35.bin"),
};

/// `-M pc -m 64M`, after SeaBIOS.
pub(super) const PC: Image = Image {
    root_address: 0xf_59d0,
    root: b"RSD PTR \x93BOCHS \0\xa4\x1a\xfe\x03",
    tables_address: 0x3fe_0040,
    tables: include_bytes!("../../../tests/acpi/pc.bin"),
};

/// `-M microvm,acpi=on,rtc=on -smp 2 -m 64M`, after its own firmware: with an XSDT, and hardware-reduced.
pub(super) const MICROVM: Image = Image {
    root_address: 0xf_3490,
    root: b"RSD PTR \x50BOCHS \x02\0\0\0\0\x24\0\0\0\xc2\xff\x0e\0\0\0\0\0\x0d\0\0\0",
    tables_address: 0xe_fd40,
    tables: include_bytes!("../../../tests/acpi/microvm.bin"),
};

impl Image {
    pub(super) fn memory(&self) -> Memory {
        Memory::default()
            .with(self.root_address, self.root)
            .with(self.tables_address, self.tables)
    }

    fn look<R>(&self, look: impl FnOnce(&Tables<'_, Memory>) -> R) -> R {
        let memory = self.memory();
        look(&Tables::find(&memory, self.root_address).unwrap())
    }

    fn madt<R>(&self, look: impl FnOnce(&Madt<'_>) -> R) -> R {
        self.look(|tables| look(&Madt::new(&tables.table(Signature::MADT).unwrap()).unwrap()))
    }

    fn fadt<R>(&self, look: impl FnOnce(&Fadt) -> R) -> R {
        self.look(|tables| look(&Fadt::new(&tables.table(Signature::FADT).unwrap())))
    }

    fn soft_off(&self) -> Option<SoftOff> {
        let dsdt = self.fadt(Fadt::dsdt);
        self.look(|tables| SoftOff::find(&tables.at(dsdt, Signature::DSDT).unwrap()))
    }
}

fn io_apic(address: u64, first_input: u32) -> IoApic {
    IoApic {
        registers: address..address + 0x1000,
        first_input,
    }
}

#[test]
fn configuration_space_of_q35_is_found() {
    let regions: Vec<_> =
        Q35.look(|tables| mcfg::regions(&tables.table(Signature::MCFG).unwrap()).collect());
    let region = Region {
        ecam: 0xb000_0000..0xc000_0000,
        segment: 0,
        buses: 0..=0xff,
    };
    assert_eq!(regions, [region]);
}

#[test]
fn pc_and_microvm_have_no_configuration_space_in_memory() {
    let missing = Some(AcpiError::Missing(Signature::MCFG));
    for image in [PC, MICROVM] {
        assert_eq!(
            image.look(|tables| tables.table(Signature::MCFG).err()),
            missing
        );
    }
}

#[test]
fn cpus_and_interrupt_controllers_are_found() {
    for (image, cpus, io_apics) in [
        (Q35, 2, vec![io_apic(0xfec0_0000, 0)]),
        (PC, 1, vec![io_apic(0xfec0_0000, 0)]),
        (
            MICROVM,
            2,
            vec![io_apic(0xfec0_0000, 0), io_apic(0xfec1_0000, 24)],
        ),
    ] {
        image.madt(|madt| {
            assert_eq!(madt.local_apic(), 0xfee0_0000);
            assert_eq!(madt.cpus(), cpus);
            assert_eq!(madt.io_apics().collect::<Vec<_>>(), io_apics);
        });
    }
}

#[test]
fn interrupts_of_the_isa_bus_that_are_not_as_usual_are_found() {
    let edge = |number| Input {
        number,
        is_level: false,
        is_active_low: false,
    };
    let level = |number| Input {
        is_level: true,
        ..edge(number)
    };
    Q35.madt(|madt| {
        let overrides: Vec<_> = madt.overrides().collect();
        let expected = [
            (0, edge(2)),
            (5, level(5)),
            (9, level(9)),
            (10, level(10)),
            (11, level(11)),
        ];
        assert_eq!(overrides, expected);
        assert_eq!(madt.isa(0), edge(2), "the 8254's is elsewhere");
        assert_eq!(madt.isa(4), edge(4), "the serial port's is as usual");
        assert_eq!(madt.isa(10), level(10));
    });
    MICROVM.madt(|madt| assert_eq!(madt.overrides().count(), 0));
}

#[test]
fn the_event_timer_is_found() {
    for image in [Q35, PC] {
        let registers =
            image.look(|tables| hpet::registers(&tables.table(Signature::HPET).unwrap()));
        assert_eq!(registers, Some(0xfed0_0000..0xfed0_0400));
    }
}

#[test]
fn what_switches_a_pc_off_is_found() {
    for image in [Q35, PC] {
        let registers = SleepRegisters::Pm1 {
            a: Register::Port(0x604),
            b: None,
            enable: Some((0xb2, if image.root == Q35.root { 2 } else { 0xf1 })),
        };
        assert_eq!(image.fadt(Fadt::sleep_registers), Some(registers));
        let off = image.soft_off().unwrap();
        assert_eq!(off.pm1a(0), 0x2000);
        assert_eq!(
            off.pm1a(0xffff),
            0xe3ff,
            "only the type of sleep is replaced"
        );
    }
}

#[test]
fn what_switches_microvm_off_is_found() {
    let registers = SleepRegisters::Control(Register::Memory(0xfea0_0200));
    assert_eq!(MICROVM.fadt(Fadt::sleep_registers), Some(registers));
    // Type 5.
    assert_eq!(MICROVM.soft_off().unwrap().control(), 0b11_0100);
}
