//! What the kernel does with PCI, but for driving its devices.

use anyhow::{Context as _, Result, ensure};

use super::blk;
use super::case::{self, Case, Context, command, excerpt};
use super::disk_image::TestDisk;
use super::registers::CommandRegister;
use crate::platform::{Board, Transport};

/// Sectors of a disk.
const SECTORS: usize = 2_051;

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "pci-disk-off",
            run: Box::new(disk_off),
        },
        Case {
            name: "pci-behind-bridges",
            run: Box::new(|context| behind_bridges(context, Transport::Pci)),
        },
        Case {
            name: "pci-intx-behind-bridges",
            run: Box::new(|context| behind_bridges(context, Transport::PciIntx)),
        },
        Case {
            name: "pci-configuration-beyond-reach-x86-pc",
            run: Box::new(configuration_beyond_reach),
        },
    ]
}

/// `blk.1=off`: that disk is not even turned on, as nobody has before the kernel.
fn disk_off(context: &Context) -> Result<()> {
    let disks = [
        TestDisk::create(&context.dir, "driven", SECTORS)?,
        TestDisk::create(&context.dir, "left", SECTORS)?,
    ];
    let mut machine = context.machine();
    machine.transport = Transport::Pci;
    machine.qtest = true;
    machine.disks = disks.iter().map(TestDisk::device).collect();
    machine.append = "blk.1=off".to_owned();
    let (mut vm, log) = context.boot(&machine)?;
    let driven = CommandRegister::find(&mut vm, &log, "disk0")?.read(&mut vm)?;
    ensure!(
        driven & CommandRegister::ON == CommandRegister::ON,
        "the command register of the disk that is driven reads {driven:#x}"
    );
    let left = CommandRegister::find(&mut vm, &log, "disk1")?.read(&mut vm)?;
    ensure!(
        left == 0,
        "the command register of the disk that is left alone reads {left:#x}"
    );
    let number = blk::number_of(&mut vm, disks[0].serial())?;
    blk::check_checksum(&mut vm, number, &disks[0])?;
    case::shut_down(vm)
}

/// Disks behind bridges that no firmware has numbered are found, driven, and heard.
fn behind_bridges(context: &Context, transport: Transport) -> Result<()> {
    /// The disks, and what each is on: the host's bus, a port, and a switch behind another.
    const DISKS: [(&str, &str); 3] = [
        ("near", "pcie.0"),
        ("below", "port0"),
        ("far-below", "below1"),
    ];
    let mut machine = context.machine();
    machine.transport = transport;
    machine.devices = [
        "pcie-root-port,id=port0,chassis=1",
        "pcie-root-port,id=port1,chassis=2",
        "x3130-upstream,id=switch,bus=port1",
        "xio3130-downstream,id=below0,bus=switch,chassis=3",
        "xio3130-downstream,id=below1,bus=switch,chassis=4",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut disks = Vec::new();
    for (name, bus) in DISKS {
        let disk = TestDisk::create(&context.dir, name, SECTORS)?;
        let mut device = disk.device();
        device.properties.push(format!("bus={bus}"));
        machine.disks.push(device);
        disks.push(disk);
    }
    let (mut vm, log) = context.boot(&machine)?;
    ensure!(!log.contains(" warn "), "there is a warning:\n{log}");
    for disk in &disks {
        let number = blk::number_of(&mut vm, disk.serial())?;
        blk::check_checksum(&mut vm, number, disk)?;
    }
    let listed = command(&mut vm, "devices")?;
    let heard = listed.iter().filter(|line| {
        let count = line.rsplit_once("; interrupts: ").map(|(_, count)| count);
        count.is_some_and(|count| count != "0")
    });
    ensure!(
        heard.count() == DISKS.len(),
        "not every disk interrupts: {}",
        excerpt(&listed)
    );
    case::shut_down(vm)
}

/// Configuration space where no address of the CPU leads to is refused in one line, and boot goes on.
fn configuration_beyond_reach(context: &Context) -> Result<()> {
    /// The body of an MCFG: 8 reserved bytes, then where that of bus 0 is, segment, first and last bus, and 4 reserved bytes.
    const BASE: u64 = 1 << 47;
    let mut body = vec![0; 8];
    body.extend(BASE.to_le_bytes());
    body.extend([0, 0, 0, 255, 0, 0, 0, 0]);
    let path = context.dir.join("mcfg.bin");
    std::fs::write(&path, body).context("writing the table")?;
    let path = path.to_str().context("a path that is not UTF-8")?;
    let mut machine = context.machine_of(Board::Q35);
    // `q35` has such a table of its own, which would come first.
    let table = format!("sig=MCFG,rev=1,data={}", path.replace(',', ",,"));
    machine.extra = ["-M", "pc", "-acpitable", &table].map(Into::into).to_vec();
    let (vm, log) = context.boot(&machine)?;
    let about = log.lines().filter(|line| line.contains("PCI"));
    let about: Vec<String> = about.map(str::to_owned).collect();
    ensure!(
        matches!(&about[..], [line] if line.contains(" warn ") && line.contains("0x800000000000")),
        "not one warning that names the address: {}",
        excerpt(&about)
    );
    case::shut_down(vm)
}
