//! Disks that say no: read-only ones, ones with larger blocks, and ones with an injected I/O error.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::blk;
use super::case::{self, Case, Context, command, refused_command};
use super::disk_image::TestDisk;
use crate::platform::Transport;
use crate::vm::{Machine, Vm};

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    use Transport::{Mmio, MmioLegacy};
    vec![
        Case {
            name: "disk-read-only",
            run: Box::new(|context| read_only(context, Mmio)),
        },
        Case {
            name: "disk-read-only-legacy",
            run: Box::new(|context| read_only(context, MmioLegacy)),
        },
        Case {
            name: "disk-errors",
            run: Box::new(|context| errors(context, Mmio)),
        },
        Case {
            name: "disk-errors-legacy",
            run: Box::new(|context| errors(context, MmioLegacy)),
        },
        Case {
            name: "disk-large-blocks",
            run: Box::new(large_blocks),
        },
        Case {
            name: "disk-small",
            run: Box::new(small),
        },
    ]
}

/// A machine with the disks' trace events on, and no display.
fn machine(context: &Context, transport: Transport) -> Machine {
    let mut machine = context.machine();
    machine.transport = transport;
    machine.trace = blk::REQUEST_EVENTS.map(str::to_owned).to_vec();
    machine
}

/// A read-only disk can be read, refuses to be written before the device sees it, and keeps its content.
fn read_only(context: &Context, transport: Transport) -> Result<()> {
    let disk = TestDisk::create(&context.dir, "fixed", 2_051)?;
    let mut machine = machine(context, transport);
    let mut device = disk.device();
    device.read_only = true;
    machine.disks = vec![device];
    let (mut vm, _) = context.boot(&machine)?;
    let number = blk::number_of(&mut vm, disk.serial())?;
    blk::check_read(&mut vm, number, &disk, 5, 2)?;
    ensure_refused_unseen(&mut vm, &format!("blk write 5 1 0xff -d {number}"))?;
    blk::check_checksum(&mut vm, number, &disk)?;
    case::shut_down(vm)?;
    disk.ensure_as_expected()
        .context("the read-only disk was changed")
}

/// An I/O error is an error of its request alone: the same request works when it is made again.
fn errors(context: &Context, transport: Transport) -> Result<()> {
    const SECTOR: usize = 1_000;
    let mut reads = TestDisk::create(&context.dir, "reads", 2_051)?;
    let mut writes = TestDisk::create(&context.dir, "writes", 2_051)?;
    let mut flushes = TestDisk::create(&context.dir, "flushes", 2_051)?;
    let mut machine = machine(context, transport);
    let rules = [
        json!({ "event": "read_aio", "sector": SECTOR, "once": true, "errno": 5 }),
        json!({ "event": "write_aio", "sector": SECTOR, "once": true, "errno": 5 }),
        json!({ "event": "flush_to_disk", "once": true, "errno": 5 }),
    ];
    for (disk, rule) in [&reads, &writes, &flushes].into_iter().zip(rules) {
        let mut device = disk.device();
        device.inject_errors = vec![rule];
        machine.disks.push(device);
    }
    let (mut vm, _) = context.boot(&machine)?;

    let number = blk::number_of(&mut vm, reads.serial())?;
    blk::check_read(&mut vm, number, &reads, SECTOR - 1, 1)?;
    let before = blk::requests(&vm.qemu_log()?);
    refused_command(&mut vm, &format!("blk read {SECTOR} 1 -d {number}"))
        .context("the injected read error")?;
    let after = blk::requests(&vm.qemu_log()?);
    ensure!(
        after > before,
        "the read that was to fail never reached the device"
    );
    blk::check_read(&mut vm, number, &reads, SECTOR, 1).context("the read after the failed one")?;
    fill(&mut vm, number, &mut reads, SECTOR)?;

    let number = blk::number_of(&mut vm, writes.serial())?;
    let write = format!("blk write {SECTOR} 1 0x99 -d {number}");
    refused_command(&mut vm, &write).context("the injected write error")?;
    blk::check_read(&mut vm, number, &writes, SECTOR, 1)
        .context("the read after the failed write")?;
    fill(&mut vm, number, &mut writes, SECTOR).context("the write after the failed one")?;

    // Nothing is to be flushed before something was written: QEMU would not trouble the image with it.
    let number = blk::number_of(&mut vm, flushes.serial())?;
    let write = format!("blk write {SECTOR} 1 0x99 -d {number}");
    refused_command(&mut vm, &write).context("the injected flush error")?;
    fill(&mut vm, number, &mut flushes, SECTOR).context("the write after the failed flush")?;
    command(&mut vm, &format!("blk flush {number}"))?;

    for disk in [&reads, &writes, &flushes] {
        let number = blk::number_of(&mut vm, disk.serial())?;
        blk::check_checksum(&mut vm, number, disk)?;
    }
    case::shut_down(vm)?;
    for disk in [&reads, &writes, &flushes] {
        disk.ensure_as_expected()?;
    }
    Ok(())
}

/// Fills one sector with a byte.
fn fill(vm: &mut Vm, number: u32, disk: &mut TestDisk, sector: usize) -> Result<()> {
    command(vm, &format!("blk write {sector} 1 0x42 -d {number}"))?;
    disk.expect_fill(sector, 1, 0x42);
    blk::check_read(vm, number, disk, sector, 1)
}

/// On a disk with blocks of 4096 bytes, a request that does not fall on their boundaries is refused unseen.
fn large_blocks(context: &Context) -> Result<()> {
    let mut disk = TestDisk::create(&context.dir, "blocks", 4_104)?;
    let mut machine = machine(context, Transport::Mmio);
    let mut device = disk.device();
    device.properties = ["logical_block_size=4096", "physical_block_size=4096"]
        .map(str::to_owned)
        .to_vec();
    machine.disks = vec![device];
    let (mut vm, _) = context.boot(&machine)?;
    let number = blk::number_of(&mut vm, disk.serial())?;
    blk::check_read(&mut vm, number, &disk, 8, 8)?;
    command(&mut vm, &format!("blk write 16 8 0x77 -d {number}"))?;
    disk.expect_fill(16, 8, 0x77);
    for request in ["read 1 8", "read 8 1", "write 1 8 0xff", "write 8 7 0xff"] {
        ensure_refused_unseen(&mut vm, &format!("blk {request} -d {number}"))?;
    }
    blk::check_checksum(&mut vm, number, &disk)?;
    let lines = command(&mut vm, "selftest")?;
    let totals = lines.iter().find(|line| line.contains(" passed, "));
    ensure!(
        totals.is_some_and(|totals| totals.contains(" passed, 0 failed")),
        "the self-tests on a disk of 4096-byte blocks: {totals:?}"
    );
    case::shut_down(vm)?;
    disk.ensure_as_expected()
}

/// A disk of one sector, and one of none.
fn small(context: &Context) -> Result<()> {
    let mut one = TestDisk::create(&context.dir, "one", 1)?;
    let none = TestDisk::create(&context.dir, "none", 0)?;
    let mut machine = machine(context, Transport::Mmio);
    machine.disks = vec![one.device(), none.device()];
    let (mut vm, _) = context.boot(&machine)?;
    let number = blk::number_of(&mut vm, one.serial())?;
    blk::check_read(&mut vm, number, &one, 0, 1)?;
    command(&mut vm, &format!("blk write 0 1 0x11 -d {number}"))?;
    one.expect_fill(0, 1, 0x11);
    ensure_refused_unseen(&mut vm, &format!("blk read 1 -d {number}"))?;
    blk::check_checksum(&mut vm, number, &one)?;
    let number = blk::number_of(&mut vm, none.serial())?;
    ensure_refused_unseen(&mut vm, &format!("blk read 0 -d {number}"))?;
    ensure_refused_unseen(&mut vm, &format!("blk write 0 1 0 -d {number}"))?;
    blk::check_checksum(&mut vm, number, &none)?;
    case::shut_down(vm)?;
    one.ensure_as_expected()?;
    none.ensure_as_expected()
}

/// Runs a command that is to be refused without a request to the device.
fn ensure_refused_unseen(vm: &mut Vm, line: &str) -> Result<()> {
    let before = blk::requests(&vm.qemu_log()?);
    refused_command(vm, line)?;
    let after = blk::requests(&vm.qemu_log()?);
    ensure!(
        after == before,
        "`{line}` was refused only after {} requests to the device",
        after - before
    );
    Ok(())
}
