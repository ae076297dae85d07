//! Devices that are lost while the kernel uses them: one that somebody else resets, one that is unplugged.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::blk::{self, number_of};
use super::case::{Case, Context, command, ensure_exit, excerpt, refused_command, shut_down};
use super::disk_image::TestDisk;
use super::interrupts;
use super::pixels;
use super::registers::DeviceStatus;
use crate::platform::{Board, Transport};
use crate::vm::{Machine, Vm};

/// Sectors of each disk; it is read in some thirty requests.
const SECTORS: usize = 8_195;

/// Requests a second, few enough that a disk is busy while something is done to it: for five seconds more, on a host that is slow, too.
const SLOW: u32 = 5;

/// Requests that have been made when it is done.
const BUSY: usize = 4;

/// How long it may take until those were made, and until the kernel says what became of them.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the status of a live device reads: ACKNOWLEDGE, DRIVER, FEATURES_OK and DRIVER_OK (§2.1).
const LIVE: u32 = 1 | 2 | 8 | 4;

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, board, transport) in [
        ("disk-reset-under-load", Board::Virt, Transport::Mmio),
        ("disk-reset-under-load-pci", Board::Virt, Transport::Pci),
        ("disk-reset-under-load-x86-q35", Board::Q35, Transport::Pci),
    ] {
        cases.push(Case {
            name,
            run: Box::new(move |context| reset_disk(context, board, transport)),
        });
    }
    for (name, board, transport) in [
        ("display-reset", Board::Virt, Transport::Mmio),
        ("display-reset-x86-q35", Board::Q35, Transport::Pci),
    ] {
        cases.push(Case {
            name,
            run: Box::new(move |context| reset_display(context, board, transport)),
        });
    }
    for (name, board, transport) in [
        ("disk-unplugged-pci", Board::Virt, Transport::Pci),
        ("disk-unplugged-pci-intx", Board::Virt, Transport::PciIntx),
        ("disk-unplugged-x86-q35", Board::Q35, Transport::Pci),
        (
            "disk-unplugged-x86-q35-intx",
            Board::Q35,
            Transport::PciIntx,
        ),
    ] {
        cases.push(Case {
            name,
            run: Box::new(move |context| unplug_disk(context, board, transport)),
        });
    }
    cases
}

/// Returns a machine with a disk that is busy for long when it is read, for [`reset_while_busy`].
pub(super) fn machine_to_reset(
    context: &Context,
    board: Board,
    transport: Transport,
) -> Result<(Machine, TestDisk)> {
    let disk = TestDisk::create(&context.dir, "busy", SECTORS)?;
    let mut machine = context.machine_of(board);
    machine.transport = transport;
    machine.qtest = true;
    machine.trace = blk::REQUEST_EVENTS.map(str::to_owned).to_vec();
    let mut device = disk.device();
    device.requests_per_second = Some(SLOW);
    machine.disks = vec![device];
    Ok((machine, disk))
}

/// Resets the disk whose status this is while the kernel reads all of it; returns the error in which the reading ends.
pub(super) fn reset_while_busy(
    vm: &mut Vm,
    status: DeviceStatus,
    number: u32,
    deadline: Duration,
) -> Result<String> {
    while_busy(vm, number, deadline, |vm| {
        let before = status.read(vm)?;
        ensure!(before == LIVE, "the status of a live disk is {before:#x}");
        status.reset(vm)
    })
}

/// Reads from a disk that somebody else resets end in an error that says so, and then it is driven again.
fn reset_disk(context: &Context, board: Board, transport: Transport) -> Result<()> {
    let (machine, disk) = machine_to_reset(context, board, transport)?;
    let (mut vm, _) = context.boot(&machine)?;
    let number = number_of(&mut vm, disk.serial())?;
    let status = DeviceStatus::find(&mut vm, transport, "disk0", "block")?;
    let error = reset_while_busy(&mut vm, status, number, DEADLINE)?;
    ensure!(
        error.contains("device is not live any more"),
        "the reset is not named: {error}"
    );
    let after = status.read(&mut vm)?;
    ensure!(
        after == LIVE,
        "the disk is not driven again, its status is {after:#x}"
    );
    let group = json!({
        "path": "/objects/disk0-rate", "property": "limits", "value": { "iops-total": 0 },
    });
    vm.qmp()?.execute("qom-set", group, DEADLINE)?;
    blk::check_checksum(&mut vm, number, &disk)?;
    shut_down(vm)
}

/// Does something while the kernel reads all of a disk; returns the error in which the reading ends, by `deadline`.
fn while_busy(
    vm: &mut Vm,
    number: u32,
    deadline: Duration,
    what: impl FnOnce(&mut Vm) -> Result<()>,
) -> Result<String> {
    let before = blk::requests(&vm.qemu_log()?);
    vm.send(&format!("blk checksum {number}\n"))?;
    let begin = Instant::now();
    while blk::requests(&vm.qemu_log()?) < before + BUSY {
        if begin.elapsed() > DEADLINE {
            bail!("the disk is not busy: {}", vm.last_lines());
        }
        std::thread::yield_now();
    }
    what(vm)?;
    let said = vm
        .wait_for("\nlevitate> ", deadline)
        .context("the reading has no end")?;
    let mut errors = said.lines().filter(|line| line.starts_with("error: "));
    match (errors.next(), errors.next()) {
        (Some(error), None) => Ok(error.to_owned()),
        _ => bail!("one error was to end the reading, not:\n{said}"),
    }
}

/// A display that somebody else resets is told so, and then shows what is drawn.
fn reset_display(context: &Context, board: Board, transport: Transport) -> Result<()> {
    let size = (1280, 800);
    let mut machine = context.machine_of(board);
    machine.transport = transport;
    machine.gpu = Some(size);
    machine.vnc = true;
    machine.qtest = true;
    let (mut vm, _) = context.boot(&machine)?;
    let status = DeviceStatus::find(&mut vm, transport, "gpu0", "gpu")?;
    status.reset(&mut vm)?;
    vm.connect_vnc()?;
    let error = refused_command(&mut vm, "gpu card")?;
    ensure!(
        error.contains("device is not live any more"),
        "the reset is not named: {error}"
    );
    command(&mut vm, "gpu card")?;
    pixels::ensure_shown(&mut vm, &pixels::card(size)?, &context.dir, "card")?;
    shut_down(vm)
}

/// Returns a machine with a disk that is busy for long when it is read, for [`unplug_while_busy`], and another disk.
pub(super) fn machine_to_unplug(
    context: &Context,
    board: Board,
    transport: Transport,
) -> Result<(Machine, [TestDisk; 2])> {
    let disk = TestDisk::create(&context.dir, "unplugged", SECTORS)?;
    let other = TestDisk::create(&context.dir, "other", SECTORS)?;
    let mut machine = context.machine_of(board);
    machine.transport = transport;
    machine.trace = blk::REQUEST_EVENTS.map(str::to_owned).to_vec();
    let mut device = disk.device();
    device.requests_per_second = Some(SLOW);
    device.properties.push("bus=port0".to_owned());
    machine.disks = vec![device, other.device()];
    machine.devices = vec!["pcie-root-port,id=port0,chassis=1".to_owned()];
    if board == Board::Q35 {
        // Else the slot is a matter of ACPI's methods, and has no power to switch.
        let native = "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off";
        machine.extra = vec!["-global".into(), native.into()];
    }
    Ok((machine, [disk, other]))
}

/// Unplugs the first disk while the kernel reads all of it; returns the error in which the reading ends.
pub(super) fn unplug_while_busy(vm: &mut Vm, number: u32, deadline: Duration) -> Result<String> {
    while_busy(vm, number, deadline, |vm| {
        let arguments = json!({ "id": "disk0" });
        vm.qmp()?.execute("device_del", arguments, DEADLINE)?;
        Ok(())
    })
}

/// Reads from a disk that is unplugged end in an error, and so does what is tried later; the kernel goes on.
fn unplug_disk(context: &Context, board: Board, transport: Transport) -> Result<()> {
    let (machine, [disk, other]) = machine_to_unplug(context, board, transport)?;
    let (mut vm, log) = context.boot(&machine)?;
    interrupts::ensure_said(transport, &log, &command(&mut vm, "devices")?)?;
    let number = number_of(&mut vm, disk.serial())?;
    let left = number_of(&mut vm, other.serial())?;
    let error = unplug_while_busy(&mut vm, number, DEADLINE)?;
    ensure!(
        error.contains("is gone from its bus"),
        "that the disk is gone is not named: {error}"
    );
    let given_up = "the disk stays off: device is gone from its bus";
    ensure!(
        vm.serial_log().contains(given_up),
        "why the disk stays off is not named: {}",
        vm.last_lines()
    );
    // It is a task that says so, once the shell waits again; a handler would have while the command was obeyed.
    vm.wait_for("the device in its slot is taken out", DEADLINE)?;
    let is_gone =
        |event: &Value| event["event"] == "DEVICE_DELETED" && event["data"]["device"] == "disk0";
    let begin = Instant::now();
    while !vm.qmp()?.events().iter().any(is_gone) {
        ensure!(begin.elapsed() < DEADLINE, "QEMU still has the disk");
        // Events come with an answer.
        vm.qmp()?.execute("query-status", json!({}), DEADLINE)?;
    }
    let listed = command(&mut vm, "devices")?;
    let has_failed = "levitate-drivers-blk: failed: device is gone from its bus";
    ensure!(
        listed.iter().any(|line| line.ends_with(has_failed)),
        "a disk that is gone is listed as if it were there: {}",
        excerpt(&listed)
    );
    refused_command(&mut vm, &format!("blk read 0 -d {number}"))?;
    blk::check_checksum(&mut vm, left, &other).context("the disk that is left")?;
    // What is gone cannot be flushed, and that is told too.
    vm.send("shutdown\n")?;
    ensure_exit(&mut vm, DEADLINE, 3)?;
    // Until the kernel noticed, it looked for the disk where nothing is any more.
    let errors = vm.guest_errors()?;
    let is_unanswered = |error: &String| error.ends_with("reason: rejected");
    ensure!(
        errors.iter().all(is_unanswered),
        "QEMU logged {errors:?}, which is not all about a disk that is gone"
    );
    Ok(())
}
