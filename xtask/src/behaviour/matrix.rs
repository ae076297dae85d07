//! The machines that the whole kernel is tried on: one row of the table is one boot, in which everything is checked
//! that the machine has.

use anyhow::{Context as _, Result, ensure};

use super::case::{self, Case, Context};
use super::disk_image::TestDisk;
use super::{blk, boot_log, interrupts, pixels};
use crate::platform::{Board, Gic, Transport};
use crate::vm::image::Rectangle;
use crate::vm::{Machine, Vm};

/// Small, of odd size, and away from the edges; no side lies on a multiple of 2.
const DAMAGE: Rectangle = Rectangle {
    x: 301,
    y: 203,
    width: 37,
    height: 23,
};

/// One machine.
struct Row {
    name: &'static str,
    board: Board,
    transport: Transport,
    gic: Gic,
    /// What is else about the machine, if something is.
    special: Option<Special>,
    memory: &'static str,
    smp: u32,
    gpu: Option<(u32, u32)>,
    disks: &'static [DiskRow],
}

/// Something that a machine lacks, which the kernel makes up for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Special {
    /// The 8254: the HPET is to be the measure of the clock.
    NoPit,
    /// The ITS: no message is an interrupt, and devices have their lines.
    NoIts,
}

/// One disk of a machine. No size is a power of two, or a multiple of 4 KiB.
struct DiskRow {
    serial: &'static str,
    sectors: usize,
    /// A property of the device.
    property: Option<&'static str>,
}

const ONE_DISK: &[DiskRow] = &[DiskRow {
    serial: "only",
    sectors: 10_247,
    property: None,
}];

const TWO_DISKS: &[DiskRow] = &[
    DiskRow {
        serial: "first",
        sectors: 4_099,
        property: None,
    },
    DiskRow {
        serial: "second",
        sectors: 6_421,
        property: None,
    },
];

/// What most rows have; each row names what it changes.
const USUAL: Row = Row {
    name: "",
    board: Board::Virt,
    transport: Transport::Mmio,
    gic: Gic::V3,
    special: None,
    memory: "512M",
    smp: 1,
    gpu: Some((1280, 800)),
    disks: ONE_DISK,
};

const ROWS: &[Row] = &[
    Row {
        name: "boot-mmio-gicv2",
        gic: Gic::V2,
        ..USUAL
    },
    Row {
        name: "boot-mmio-gicv3",
        gpu: Some((1024, 768)),
        ..USUAL
    },
    Row {
        name: "boot-legacy-gicv2",
        transport: Transport::MmioLegacy,
        gic: Gic::V2,
        gpu: Some((800, 600)),
        ..USUAL
    },
    Row {
        name: "boot-legacy-gicv3",
        transport: Transport::MmioLegacy,
        gpu: Some((1366, 768)),
        ..USUAL
    },
    Row {
        name: "boot-memory-4g",
        memory: "4G",
        ..USUAL
    },
    Row {
        name: "boot-memory-4g-legacy",
        transport: Transport::MmioLegacy,
        memory: "4G",
        ..USUAL
    },
    Row {
        name: "boot-smp-4",
        gic: Gic::V2,
        smp: 4,
        ..USUAL
    },
    Row {
        name: "boot-queue-size-16",
        disks: &[DiskRow {
            serial: "narrow",
            sectors: 4_099,
            property: Some("queue-size=16"),
        }],
        ..USUAL
    },
    Row {
        // On version 1 the place of the used ring depends on the queue's size.
        name: "boot-queue-size-4-legacy",
        transport: Transport::MmioLegacy,
        disks: &[DiskRow {
            serial: "narrowest",
            sectors: 4_099,
            property: Some("queue-size=4"),
        }],
        ..USUAL
    },
    Row {
        name: "boot-queue-size-1024-legacy",
        transport: Transport::MmioLegacy,
        gpu: None,
        disks: &[DiskRow {
            serial: "wide",
            sectors: 4_099,
            property: Some("queue-size=1024"),
        }],
        ..USUAL
    },
    Row {
        name: "boot-two-disks",
        disks: TWO_DISKS,
        ..USUAL
    },
    Row {
        name: "boot-pci-gicv2",
        transport: Transport::Pci,
        gic: Gic::V2,
        gpu: Some((1366, 768)),
        ..USUAL
    },
    Row {
        // By itself a disk on the root bus has the legacy interface too; one that has not is another device to PCI.
        name: "boot-pci-gicv3",
        transport: Transport::Pci,
        smp: 2,
        disks: &[
            DiskRow {
                serial: "both",
                sectors: 4_099,
                property: None,
            },
            DiskRow {
                serial: "modern",
                sectors: 6_421,
                property: Some("disable-legacy=on"),
            },
        ],
        ..USUAL
    },
    Row {
        name: "boot-pci-intx-gicv2",
        transport: Transport::PciIntx,
        gic: Gic::V2,
        disks: TWO_DISKS,
        ..USUAL
    },
    Row {
        name: "boot-pci-intx-gicv3",
        transport: Transport::PciIntx,
        memory: "4G",
        gpu: Some((800, 600)),
        ..USUAL
    },
    Row {
        name: "boot-pci-gicv3-without-its",
        transport: Transport::Pci,
        special: Some(Special::NoIts),
        disks: TWO_DISKS,
        ..USUAL
    },
    Row {
        name: "boot-x86-q35-without-pit",
        board: Board::Q35,
        transport: Transport::Pci,
        special: Some(Special::NoPit),
        ..USUAL
    },
    Row {
        name: "boot-x86-q35-pci",
        board: Board::Q35,
        transport: Transport::Pci,
        ..USUAL
    },
    Row {
        // Enough memory for some above 4 GiB, and devices enough to share a line.
        name: "boot-x86-q35-pci-intx",
        board: Board::Q35,
        transport: Transport::PciIntx,
        memory: "4G",
        smp: 2,
        gpu: Some((1366, 768)),
        disks: TWO_DISKS,
        ..USUAL
    },
    Row {
        name: "boot-x86-microvm-mmio",
        board: Board::Microvm,
        ..USUAL
    },
    Row {
        // Memory below and above the device registers, and a second disk.
        name: "boot-x86-microvm-legacy",
        board: Board::Microvm,
        transport: Transport::MmioLegacy,
        memory: "4G",
        smp: 2,
        gpu: Some((1366, 768)),
        disks: TWO_DISKS,
        ..USUAL
    },
    Row {
        name: "boot-no-gpu",
        gpu: None,
        ..USUAL
    },
    Row {
        name: "boot-no-disk",
        transport: Transport::MmioLegacy,
        disks: &[],
        ..USUAL
    },
    Row {
        name: "boot-no-device",
        gpu: None,
        disks: &[],
        ..USUAL
    },
];

/// The cases of this file: one for each row.
pub(crate) fn cases() -> Vec<Case> {
    ROWS.iter()
        .map(|row| Case {
            name: row.name,
            run: Box::new(move |context| run(row, context)),
        })
        .collect()
}

impl Row {
    fn machine(&self, context: &Context, disks: &[TestDisk]) -> Machine {
        let mut machine = context.machine_of(self.board);
        machine.transport = self.transport;
        machine.gic = self.gic;
        if let Some(special) = self.special {
            machine.extra = ["-M", special.option()].map(Into::into).to_vec();
        }
        machine.memory = self.memory.to_owned();
        machine.smp = self.smp;
        machine.gpu = self.gpu;
        machine.vnc = self.gpu.is_some();
        machine.trace = blk::REQUEST_EVENTS.map(str::to_owned).to_vec();
        machine.trace.push(pixels::FLUSH_EVENT.to_owned());
        machine.trace.push(interrupts::MSIX_EVENT.to_owned());
        for (row, disk) in self.disks.iter().zip(disks) {
            let mut device = disk.device();
            device.properties.extend(row.property.map(str::to_owned));
            machine.disks.push(device);
        }
        machine
    }
}

impl Special {
    /// Returns the option of QEMU's `-M` for it.
    const fn option(self) -> &'static str {
        match self {
            Self::NoPit => "pit=off",
            Self::NoIts => "its=off",
        }
    }

    /// Checks that the kernel does without.
    fn check(self, boot_log: &str) -> Result<()> {
        match self {
            Self::NoPit => ensure!(
                boot_log.contains("by the HPET"),
                "the clock is not measured by the HPET:\n{boot_log}"
            ),
            Self::NoIts => ensure!(
                !boot_log.contains("are for messages") && !boot_log.contains("(MSI-X)"),
                "there are messages without an ITS:\n{boot_log}"
            ),
        }
        Ok(())
    }
}

fn run(row: &Row, context: &Context) -> Result<()> {
    let mut disks = Vec::new();
    for disk in row.disks {
        disks.push(TestDisk::create(&context.dir, disk.serial, disk.sectors)?);
    }
    let (mut vm, log) = context.boot(&row.machine(context, &disks))?;
    boot_log::check(context.name, &log, context.bless)?;
    check_devices(&mut vm, row, &log)?;
    if let Some(special) = row.special {
        special.check(&log)?;
    }
    if let Some(size) = row.gpu {
        pixels::check(&mut vm, size, &log, DAMAGE, &context.dir)?;
    } else {
        case::refused_command(&mut vm, "gpu card").context("there is no display")?;
    }
    if disks.is_empty() {
        case::refused_command(&mut vm, "blk read 0").context("there is no disk")?;
    } else {
        blk::check(&mut vm, &mut disks)?;
    }
    case::shut_down(vm)?;
    for disk in &disks {
        disk.ensure_as_expected()
            .context("what the kernel wrote and flushed is not what the image holds")?;
    }
    Ok(())
}

/// Checks that every device is listed with its transport, as driven by one of our drivers, and how it interrupts.
fn check_devices(vm: &mut Vm, row: &Row, boot_log: &str) -> Result<()> {
    let transport = match row.transport {
        Transport::MmioLegacy => "version 1",
        Transport::Mmio => "version 2",
        Transport::Pci | Transport::PciIntx => "PCI",
    };
    let listed = case::command(vm, "devices")?;
    let expected = row.disks.len() + usize::from(row.gpu.is_some());
    let driven = listed
        .iter()
        .filter(|line| line.contains(transport) && line.contains(" levitate-drivers-"))
        .count();
    ensure!(
        driven == expected && listed.len() == expected,
        "`devices` was to list {expected} driven devices, {transport}, not:\n{}",
        listed.join("\n")
    );
    let interrupting = match row.special {
        Some(Special::NoIts) => Transport::PciIntx,
        _ => row.transport,
    };
    interrupts::check(interrupting, boot_log, &listed, &vm.qemu_log()?)
}
