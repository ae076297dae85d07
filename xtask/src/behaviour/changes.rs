//! Devices that change while the kernel drives them: a disk that is resized, a display that is.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::blk::{check_read, number_of};
use super::case::{Case, Context, command, ensure_exit, refused_command, shut_down};
use super::disk_image::{SECTOR_BYTES, TestDisk};
use super::pixels;
use crate::platform::{Board, Transport};
use crate::vm::Machine;

/// How long the kernel may take to say that a device has changed.
const NEWS_DEADLINE: Duration = Duration::from_secs(90);

/// How long QEMU may take to do what it is asked.
const QMP_DEADLINE: Duration = Duration::from_secs(30);

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (disk, display, board, transport) in [
        (
            "disk-resized",
            "display-resized",
            Board::Virt,
            Transport::Mmio,
        ),
        (
            "disk-resized-legacy",
            "display-resized-legacy",
            Board::Virt,
            Transport::MmioLegacy,
        ),
        (
            "disk-resized-x86-microvm",
            "display-resized-x86-microvm",
            Board::Microvm,
            Transport::Mmio,
        ),
    ] {
        cases.push(Case {
            name: disk,
            run: Box::new(move |context| resize_disk(context, machine(context, board, transport))),
        });
        cases.push(Case {
            name: display,
            run: Box::new(move |context| {
                resize_display(context, machine(context, board, transport))
            }),
        });
    }
    cases.push(Case {
        name: "display-resize-refused",
        run: Box::new(|context| refuse_display(context, context.machine())),
    });
    cases
}

fn machine(context: &Context, board: Board, transport: Transport) -> Machine {
    let mut machine = context.machine_of(board);
    machine.transport = transport;
    machine
}

/// The kernel says how long the disk is now, reads its last sector, and refuses what was a sector before.
fn resize_disk(context: &Context, mut machine: Machine) -> Result<()> {
    const SECTORS: usize = 2_048;
    const FEWER: usize = 1_024;
    let disk = TestDisk::create(&context.dir, "resized", SECTORS)?;
    machine.disks = vec![disk.device()];
    let (mut vm, _) = context.boot(&machine)?;
    let number = number_of(&mut vm, disk.serial())?;
    check_read(&mut vm, number, &disk, SECTORS - 1, 1)?;
    for (before, now) in [(SECTORS, FEWER), (FEWER, SECTORS)] {
        let arguments = json!({ "node-name": "disk0", "size": now * SECTOR_BYTES });
        vm.qmp()?.execute("block_resize", arguments, QMP_DEADLINE)?;
        let news = format!("disk {number} has {now} sectors now, it had {before}");
        vm.wait_for(&news, NEWS_DEADLINE)?;
        refused_command(&mut vm, &format!("blk read {now} -d {number}"))?;
        command(&mut vm, &format!("blk read {} -d {number}", now - 1))?;
        let info = command(&mut vm, "devices")?.join("\n");
        ensure!(
            info.contains(&format!("{now} sectors")),
            "`devices` does not know the new length: {info}"
        );
    }
    // What was not cut off is what it was.
    check_read(&mut vm, number, &disk, 0, FEWER)?;
    shut_down(vm)
}

/// The kernel says how large the display is now, and shows its log on all of it, and then the card.
fn resize_display(context: &Context, mut machine: Machine) -> Result<()> {
    machine.gpu = Some((1280, 800));
    machine.vnc = true;
    let (mut vm, log) = context.boot(&machine)?;
    vm.connect_vnc()?;
    for (width, height) in [(1024_u16, 600_u16), (1400, 1050)] {
        vm.connect_vnc()?.set_desktop_size(width, height)?;
        vm.wait_for(&format!("display {width}x{height} now"), NEWS_DEADLINE)?;
        let size = (u32::from(width), u32::from(height));
        command(&mut vm, "gpu card")?;
        pixels::ensure_shown(&mut vm, &pixels::card(size)?, &context.dir, "resized-card")?;
    }
    ensure!(
        log.contains("display 1280x800"),
        "the display did not start as large as it was to be:\n{log}"
    );
    shut_down(vm)
}

/// A display that cannot have the size it is to have keeps the one it had, and takes the next one that it can have.
fn refuse_display(context: &Context, mut machine: Machine) -> Result<()> {
    machine.gpu = Some((1280, 800));
    machine.vnc = true;
    // Enough for a picture of 1280x800, and not for one of 1400x1050.
    let memory = "virtio-gpu-device.max_hostmem=5000000";
    machine.extra = vec!["-global".into(), memory.into()];
    let (mut vm, _) = context.boot(&machine)?;
    for ((width, height), news, size) in [
        ((1400_u16, 1050_u16), "and keeps 1280", (1280, 800)),
        ((1024, 600), "display 1024x600 now", (1024, 600)),
    ] {
        vm.connect_vnc()?.set_desktop_size(width, height)?;
        vm.wait_for(news, NEWS_DEADLINE)?;
        command(&mut vm, "gpu card")?;
        pixels::ensure_shown(&mut vm, &pixels::card(size)?, &context.dir, "refused-card")?;
    }
    vm.send("shutdown\n")?;
    ensure_exit(&mut vm, NEWS_DEADLINE, 0)?;
    // QEMU calls wrong what it refuses: the second resource, and what was sent along with its creation.
    let errors = vm.guest_errors()?;
    let other = errors.iter().find(|error| {
        !error.ends_with(" resource specified 2")
            && !error.ends_with(" resource creation failed 2 1400 1050")
    });
    ensure!(
        other.is_none() && !errors.is_empty(),
        "QEMU logged {errors:?}, which is not all about the picture it refused"
    );
    Ok(())
}
