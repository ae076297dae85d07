//! Devices on PCI that have no messages as interrupts, or lose them: they are driven by their lines, and the log says so.

use anyhow::{Result, ensure};
use serde_json::json;

use super::blk;
use super::case::{BOOT_DEADLINE, Case, Context, command, excerpt, shut_down};
use super::disk_image::TestDisk;
use super::registers::Bars;
use crate::platform::{Board, Gic, Transport};
use crate::vm::{Machine, Vm};

/// Sectors of a disk.
const SECTORS: usize = 2_051;

/// The BARs of a disk: that of the table of messages, and that of the modern interface.
const MESSAGE_BAR: u8 = 1;
const MODERN_BAR: u8 = 4;

/// On `virt`: where configuration space is, where the host bridge forwards memory, and an address in there that nothing has.
const CONFIGURATION: u64 = 0x40_1000_0000;
const FORWARDED: u32 = 0x1000_0000;
const UNUSED: u32 = 0x3e00_0000;
/// Where it forwards nothing.
const NOT_FORWARDED: u32 = 0x3f00_0000;

/// A machine with disks that could send more messages than it has interrupts for.
struct Row {
    name: &'static str,
    board: Board,
    gic: Gic,
    disks: usize,
    /// How many disks have some, the last of them perhaps fewer than it could use.
    with_messages: usize,
    /// What the kernel says of the first vector for which there is none.
    said: &'static str,
}

/// So many vectors has each disk of those.
const VECTORS: &str = "vectors=16";

const ROWS: [Row; 2] = [
    // The frame of `virt` has 64.
    Row {
        name: "pci-messages-run-out-gicv2",
        board: Board::Virt,
        gic: Gic::V2,
        disks: 6,
        with_messages: 4,
        said: "0000:00:05.0: vector 0: no message interrupt is left",
    },
    // Of the vectors of the local APIC, 168 are for messages.
    Row {
        name: "pci-messages-run-out-x86-q35",
        board: Board::Q35,
        gic: Gic::V3,
        disks: 12,
        with_messages: 11,
        said: "0000:00:0b.0: vector 8: no message interrupt is left",
    },
];

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    let run_out = ROWS.iter().map(|row| Case {
        name: row.name,
        run: Box::new(move |context| run_out(row, context)),
    });
    let others = [
        Case {
            name: "pci-messages-out-of-reach",
            run: Box::new(out_of_reach),
        },
        Case {
            name: "pci-messages-lost",
            run: Box::new(lost),
        },
    ];
    run_out.chain(others).collect()
}

/// Where messages run out, who comes later has its line.
fn run_out(row: &Row, context: &Context) -> Result<()> {
    let mut machine = context.machine_of(row.board);
    machine.transport = Transport::Pci;
    machine.gic = row.gic;
    let mut disks = Vec::new();
    for number in 0..row.disks {
        let disk = TestDisk::create(&context.dir, &format!("disk-{number}"), SECTORS)?;
        let mut device = disk.device();
        device.properties.push(VECTORS.to_owned());
        machine.disks.push(device);
        disks.push(disk);
    }
    let (mut vm, log) = context.boot(&machine)?;
    ensure!(log.contains(row.said), "{:?} is not said:\n{log}", row.said);
    let found = log.lines().filter(|line| line.contains(": block, PCI, "));
    let sends = found.map(|line| line.ends_with(" (MSI-X)"));
    let expected = (0..row.disks).map(|number| number < row.with_messages);
    ensure!(
        sends.eq(expected),
        "{} disks were to have messages, the first ones:\n{log}",
        row.with_messages
    );
    for disk in &disks {
        let number = blk::number_of(&mut vm, disk.serial())?;
        blk::check_checksum(&mut vm, number, disk)?;
    }
    ensure_heard(&mut vm, row.disks)?;
    shut_down(vm)
}

/// A machine with one disk, and its registers open.
fn machine(context: &Context) -> Result<(Machine, TestDisk)> {
    let disk = TestDisk::create(&context.dir, "only", SECTORS)?;
    let mut machine = context.machine();
    machine.transport = Transport::Pci;
    machine.qtest = true;
    machine.disks = vec![disk.device()];
    Ok((machine, disk))
}

/// A table of messages at an address that the host bridge does not forward is given up before the disk is driven.
fn out_of_reach(context: &Context) -> Result<()> {
    let (mut machine, disk) = machine(context)?;
    machine.extra = vec!["-S".into()];
    let mut vm = machine.start(&context.dir)?;
    // As firmware would: the kernel leaves BARs where they are if one has an address.
    let bars = Bars::find(&mut vm, CONFIGURATION, "disk0")?;
    bars.write(&mut vm, MODERN_BAR, FORWARDED)?;
    bars.write(&mut vm, MESSAGE_BAR, NOT_FORWARDED)?;
    vm.qmp()?.execute("cont", json!({}), BOOT_DEADLINE)?;
    let log = vm.wait_for_prompt(BOOT_DEADLINE)?;
    let place = format!("configuration space at {CONFIGURATION:#x}");
    ensure!(log.contains(&place), "not {place}:\n{log}");
    ensure_warned(
        &log,
        &[
            "0000:00:01.0: BAR 1 is at 0x3f000000, where the host bridge forwards nothing",
            "0000:00:01.0: the MSI-X table, 0x20 bytes from 0x0 in BAR 1, is not mapped; its messages are given up",
        ],
    )?;
    let number = blk::number_of(&mut vm, disk.serial())?;
    blk::check_checksum(&mut vm, number, &disk)?;
    ensure_heard(&mut vm, 1)?;
    shut_down(vm)
}

/// A table of messages that answers no more when the disk is given to its driver again: the disk is driven by its line.
fn lost(context: &Context) -> Result<()> {
    let (machine, disk) = machine(context)?;
    let (mut vm, log) = context.boot(&machine)?;
    ensure!(log.contains("(MSI-X)"), "there are no messages:\n{log}");
    let bars = Bars::find(&mut vm, CONFIGURATION, "disk0")?;
    bars.write(&mut vm, MESSAGE_BAR, UNUSED)?;
    // These tests take the disk from its driver, fail for want of a table, and give it back.
    let said = vm.command("selftest queue-reset")?;
    ensure_warned(
        &said.join("\n"),
        &[
            "0000:00:01.0: the MSI-X table does not take the message of vector 0; it is driven without messages: interrupt 36",
        ],
    )?;
    let again = "test disk0-is-driven-again ... ok";
    ensure!(
        said.iter().any(|line| line == again),
        "no line is {again:?}:\n{}",
        said.join("\n")
    );
    let number = blk::number_of(&mut vm, disk.serial())?;
    blk::check_checksum(&mut vm, number, &disk)?;
    ensure_heard(&mut vm, 1)?;
    shut_down(vm)
}

/// Checks that each of `warnings` is logged once, as one.
fn ensure_warned(log: &str, warnings: &[&str]) -> Result<()> {
    for warning in warnings {
        let lines = log.lines().filter(|line| line.contains(" warn "));
        let count = lines.filter(|line| line.ends_with(warning)).count();
        ensure!(
            count == 1,
            "{count} warnings instead of one say {warning:?}:\n{log}"
        );
    }
    Ok(())
}

/// Checks that `devices` lists so many devices, each of which has interrupted in the way it does now.
///
/// The first request of a driver's life always interrupts; what is there before the CPU sleeps, on a host that is quick or busy, does not.
fn ensure_heard(vm: &mut Vm, devices: usize) -> Result<()> {
    let listed = command(vm, "devices")?;
    let heard = listed.iter().filter(|line| interrupts(line) > Some(0));
    ensure!(
        heard.count() == devices && listed.len() == devices,
        "not every device interrupts: {}",
        excerpt(&listed)
    );
    Ok(())
}

fn interrupts(line: &str) -> Option<u64> {
    let (_, count) = line.rsplit_once("; interrupts: ")?;
    count.parse().ok()
}
