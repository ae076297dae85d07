//! What the kernel does with PCI, but for driving its devices.

use anyhow::{Context as _, Result, ensure};

use super::blk;
use super::case::{self, Case, Context, excerpt};
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
