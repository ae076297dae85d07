//! The kernel command line and the shell, where they are given something they do not know or something to leave out.

use anyhow::{Result, ensure};

use super::blk;
use super::case::{self, Case, Context, command, excerpt, refused_command};
use super::disk_image::TestDisk;
use crate::vm::Machine;

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "append-unknown-words",
            run: Box::new(unknown_words),
        },
        Case {
            name: "append-drivers-off",
            run: Box::new(drivers_off),
        },
        Case {
            name: "append-driver-of-one",
            run: Box::new(driver_of_one),
        },
        Case {
            name: "append-log-off",
            run: Box::new(log_off),
        },
        Case {
            name: "shell",
            run: Box::new(shell),
        },
    ]
}

/// A machine with a display and a disk.
fn machine(context: &Context, append: &str) -> Result<Machine> {
    let mut machine = context.machine();
    machine.gpu = Some((1280, 800));
    machine.disks = vec![TestDisk::create(&context.dir, "plain", 2_051)?.device()];
    machine.append = append.to_owned();
    Ok(machine)
}

/// Each unknown word or value is reported once, and boot goes on.
fn unknown_words(context: &Context) -> Result<()> {
    let words = ["quiet", "gpu=amiga", "selftest=some", "log"];
    let (vm, log) = context.boot(&machine(context, &words.join(" "))?)?;
    for word in words {
        let warning = format!("unknown word on the kernel command line: \"{word}\"");
        let count = log
            .lines()
            .filter(|line| line.contains(" warn ") && line.contains(&warning))
            .count();
        ensure!(count == 1, "{count} lines instead of one say {warning}");
    }
    case::shut_down(vm)?;
    // The level does not hide it.
    for append in ["log=off quiet", "log=error gpu=amiga", "quiet log=off"] {
        let (vm, log) = context.boot(&machine(context, append)?)?;
        let count = log.lines().filter(|line| line.contains(" warn ")).count();
        ensure!(
            count == 1,
            "{count} warnings instead of one with \"{append}\""
        );
        case::shut_down(vm)?;
    }
    Ok(())
}

/// `gpu=off blk=off`: the devices are there, and are left alone.
fn drivers_off(context: &Context) -> Result<()> {
    let mut machine = machine(context, "gpu=off blk=off")?;
    machine.trace = vec!["virtio_gpu_cmd_get_display_info".to_owned()];
    let (mut vm, _) = context.boot(&machine)?;
    refused_command(&mut vm, "gpu card")?;
    refused_command(&mut vm, "gpu info")?;
    refused_command(&mut vm, "blk read 0")?;
    let log = vm.qemu_log()?;
    ensure!(log.is_empty(), "the devices were used: {log}");
    case::shut_down(vm)
}

/// `blk.1=virtio-drivers`: that disk alone has another driver, and both are read alike; a device that is not there is named in a
/// warning.
fn driver_of_one(context: &Context) -> Result<()> {
    let mut machine = machine(
        context,
        "blk.1=virtio-drivers gpu.0=off blk.x=off blk.9=off",
    )?;
    let disks = [
        TestDisk::create(&context.dir, "one", 2_051)?,
        TestDisk::create(&context.dir, "other", 4_099)?,
    ];
    machine.disks = disks.iter().map(TestDisk::device).collect();
    let (mut vm, log) = context.boot(&machine)?;
    let listed = command(&mut vm, "devices")?;
    for words in [
        "  blk.0   levitate-drivers-blk: disk 0",
        "  blk.1   virtio-drivers: disk 1",
        "  gpu.0   not driven: off",
    ] {
        let count = listed.iter().filter(|line| line.contains(words)).count();
        ensure!(count == 1, "{words}: {}", excerpt(&listed));
    }
    for disk in &disks {
        let number = blk::number_of(&mut vm, disk.serial())?;
        blk::check_checksum(&mut vm, number, disk)?;
    }
    let warnings = log.lines().filter(|line| line.contains(" warn "));
    let warnings: Vec<&str> = warnings.collect();
    ensure!(
        matches!(warnings[..], [bad, stranger] if bad.contains("\"blk.x=off\"") && stranger.contains("names blk.9, and there are 2")),
        "not one warning for each bad word: {warnings:?}"
    );
    case::shut_down(vm)
}

/// `log=off`: nothing is logged, and the shell is there.
fn log_off(context: &Context) -> Result<()> {
    let (vm, log) = context.boot(&machine(context, "log=off")?)?;
    let logged: Vec<&str> = log.lines().filter(|line| line.starts_with('[')).collect();
    ensure!(
        logged.is_empty(),
        "log=off, and still: {}",
        logged.join("\n")
    );
    case::shut_down(vm)
}

/// The shell names its commands, says what is wrong with a line in one line, and goes on.
fn shell(context: &Context) -> Result<()> {
    let mut machine = machine(context, "")?;
    machine.disks.clear();
    let (mut vm, _) = context.boot(&machine)?;
    let help = command(&mut vm, "help")?.join("\n");
    for name in [
        "help",
        "devices",
        "blk info",
        "blk read",
        "blk write",
        "blk checksum",
        "blk flush",
        "gpu info",
        "gpu card",
        "gpu fill",
        "selftest",
        "crash panic",
        "crash fault",
        "shutdown",
    ] {
        ensure!(help.contains(name), "`help` does not name `{name}`: {help}");
    }
    for line in [
        "nonsense",
        "blk",
        "blk read",
        "blk read 5x",
        "blk read 0 0",
        "blk read 0 1 -d 99",
        "blk write 0 1",
        "blk write 0 1 256",
        "gpu fill 0 0 10",
        "gpu fill 0 0 0 10 ffffff",
        "gpu fill 0 0 10 10 colour",
        "gpu fill 1280 0 10 10 ffffff",
        "selftest=all",
        "selftest nonsense",
        "crash",
        "crash nonsense",
        "help me",
    ] {
        refused_command(&mut vm, line)?;
    }
    // A line far longer than any command.
    refused_command(&mut vm, &"long ".repeat(160))?;
    let output = command(&mut vm, "  devices  ")?.join("\n");
    ensure!(
        output.contains("gpu"),
        "`devices` does not list the display: {output}"
    );
    ensure!(
        command(&mut vm, "")?.is_empty(),
        "an empty line printed something"
    );
    case::shut_down(vm)
}
